// Capturing streams into graphs, and what must not be done meanwhile.
#include <atomic>

#include "settings.h"
#include "stream.h"

namespace fake {

thread_local int capture_mode_of_thread = 0;

namespace {

enum Mode { GLOBAL = 0, THREAD_LOCAL = 1, RELAXED = 2 };  // cudaStreamCaptureMode

thread_local int captures_of_thread = 0;  // begun by it, and not relaxed
std::atomic<int> captures_that_bind_all{0};
uint32_t last_graph = 0;
unsigned long long last_capture = 0;

void count_capture(int mode, int by) {
  if (mode != RELAXED) captures_of_thread += by;
  if (mode == GLOBAL) captures_that_bind_all += by;
}

void leave(Stream* stream) {
  stream->capture = Capture::none;
  stream->capture_id = 0;
  stream->graph = nullptr;
}

}  // namespace

bool any_capture() {
  HOLD;
  for (auto* stream : all_streams()) {
    if (stream->capture != Capture::none) return true;
  }
  return false;
}

int forbidden_in_capture() {
  if (capture_mode_of_thread == RELAXED) return OK;
  bool bound = captures_of_thread > 0;
  if (capture_mode_of_thread == GLOBAL) bound |= captures_that_bind_all > 0;
  if (!bound) return OK;
  HOLD;
  for (auto* stream : all_streams()) {
    if (stream->capture == Capture::active) stream->capture = Capture::invalidated;
  }
  log("a call that a capture forbids");
  return CAPTURE_UNSUPPORTED;
}

int begin_capture(Stream* stream, int mode, Graph* into) {
  HOLD;
  if (stream == stream->device->default_stream) return CAPTURE_UNSUPPORTED;
  if (stream->capture != Capture::none) return CAPTURE_UNSUPPORTED;
  stream->capture = Capture::active;
  stream->capture_id = ++last_capture;
  stream->capture_mode = mode;
  stream->graph = into ? into : new Graph{++last_graph, {}};
  count_capture(mode, 1);
  return OK;
}

int end_capture(Stream* stream, Graph** made) {
  HOLD;
  *made = nullptr;
  if (stream->capture == Capture::none) return CAPTURE_INVALIDATED;
  count_capture(stream->capture_mode, -1);
  bool spoilt = stream->capture == Capture::invalidated;
  if (!spoilt) *made = stream->graph;
  auto id = stream->capture_id;
  for (auto* each : all_streams()) {
    if (each->capture_id == id) leave(each);
  }
  return spoilt ? CAPTURE_INVALIDATED : OK;
}

int instantiate(Graph* graph, GraphExec** made) {
  if (int error = current_device()->trouble()) return error;
  if (lists("FAKE_GPU_OOM_AT", "instantiate")) return OUT_OF_MEMORY;
  *made = new GraphExec{graph->id, current_device(), {}};
  for (auto* node : graph->nodes) (*made)->nodes.push_back(*node);
  return OK;
}

}  // namespace fake
