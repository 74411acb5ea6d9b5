#include "stream.h"

#include <string.h>
#include <time.h>

#include <algorithm>
#include <limits>

#include "profile.h"
#include "settings.h"
#include "state.h"

namespace fake {
namespace {

constexpr int64_t NEVER = std::numeric_limits<int64_t>::max() / 4;
// Sleep until shortly before the end and spin for the rest, as the real runtime spins.
constexpr int64_t SPIN_NS = 100000;
constexpr int64_t LONGEST_SLEEP_NS = 20000000;

int64_t kernel_ns() {
  static int64_t value = number("FAKE_GPU_KERNEL_NS", 4000);
  return value;
}

int64_t gap_ns() {
  static int64_t value = number("FAKE_GPU_GAP_NS", 1000);
  return value;
}

size_t queue_length() {
  static auto value = static_cast<size_t>(number("FAKE_GPU_QUEUE", 1022));
  return value;
}

void sleep_ns(int64_t ns) {
  timespec span{static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000)};
  nanosleep(&span, nullptr);
}

void show_profiler(Stream* stream, const Node& node, int64_t start_ns, uint32_t correlation,
                   uint32_t graph) {
  if (!tracing) return;
  Activity seen;
  seen.what = node.work == Work::kernel ? Seen::kernel
              : node.work == Work::copy ? Seen::copy
                                        : Seen::fill;
  seen.name = node.name;
  seen.start_ns = start_ns;
  seen.end_ns = start_ns + node.duration_ns;
  seen.correlation = correlation;
  seen.device = static_cast<uint32_t>(stream->device->ordinal);
  seen.stream = stream->id;
  seen.graph = graph;
  seen.bytes = node.bytes;
  seen.direction = node.direction;
  memcpy(seen.grid, node.grid, sizeof seen.grid);
  memcpy(seen.block, node.block, sizeof seen.block);
  keep(seen);
}

bool has_room(Stream* stream) {
  HOLD;
  int64_t now = now_ns();
  while (!stream->ends.empty() && stream->ends.front() <= now) stream->ends.pop_front();
  return stream->ends.size() < queue_length();
}

// A full queue makes the host wait for the device.
int wait_for_room(Stream* stream) {
  while (!has_room(stream)) {
    if (int error = wait_until(stream->device, stream->ends.front())) return error;
  }
  return OK;
}

// Once a GPU hangs, nothing that comes to it ends.
int64_t start_of_next(Stream* stream) {
  if (stream->device->hangs()) return NEVER;
  return std::max(stream->free_ns + gap_ns(), now_ns());
}

int ready_for(Stream* stream) {
  stream->device->launch();
  if (int error = stream->device->trouble()) return error;
  return wait_for_room(stream);
}

// torch.cuda._sleep is a kernel that spins for a number of cycles, its only argument.
int64_t duration_of(const std::string& name, void** arguments, const Gpu& gpu) {
  if (name.find("spin_kernel") == std::string::npos || !arguments || !arguments[0]) {
    return kernel_ns();
  }
  auto cycles = *static_cast<int64_t*>(arguments[0]);
  return static_cast<int64_t>(static_cast<double>(cycles) * 1e6 / gpu.spec.clock_khz);
}

}  // namespace

std::vector<Stream*>& all_streams() {
  static auto* streams = new std::vector<Stream*>;
  return *streams;
}

Stream* make_stream(Device* device, unsigned flags, int priority) {
  static uint32_t last_id = 6;  // CUPTI calls the default stream of the first context 7
  HOLD;
  auto* stream = new Stream;
  stream->id = ++last_id;
  stream->device = device;
  stream->flags = flags;
  stream->priority = priority;
  all_streams().push_back(stream);
  return stream;
}

Stream* stream_of(void* handle) {
  auto special = reinterpret_cast<uintptr_t>(handle) <= 2;  // cudaStreamLegacy, cudaStreamPerThread
  return special ? current_device()->default_stream : static_cast<Stream*>(handle);
}

int wait_until(Device* device, int64_t ns) {
  for (;;) {
    if (int error = device->trouble()) return error;
    int64_t left = ns - now_ns();
    if (left <= 0) return OK;
    if (left > 2 * SPIN_NS) sleep_ns(std::min(left - SPIN_NS, LONGEST_SLEEP_NS));
  }
}

int enqueue(Stream* stream, const Node& node, uint32_t correlation) {
  if (stream->capture == Capture::invalidated) return CAPTURE_INVALIDATED;
  if (stream->capture == Capture::active) {
    HOLD;
    // The driver takes memory for a kernel's stack when it is first launched, even in a capture.
    if (node.work == Work::kernel && lists("FAKE_GPU_OOM_AT", "launch_in_capture")) {
      stream->capture = Capture::invalidated;
      return OUT_OF_MEMORY;
    }
    stream->graph->nodes.push_back(new Node(node));
    return OK;
  }
  if (int error = ready_for(stream)) return error;
  HOLD;
  Node slowed = node;
  slowed.duration_ns = static_cast<int64_t>(static_cast<double>(node.duration_ns) *
                                            slowdown(stream->device->gpu->index));
  int64_t start_ns = start_of_next(stream);
  stream->free_ns = start_ns + slowed.duration_ns;
  stream->ends.push_back(stream->free_ns);
  show_profiler(stream, slowed, start_ns, correlation, 0);
  return OK;
}

int launch(Stream* stream, const std::string& name, const unsigned grid[3], const unsigned block[3],
           void** arguments, uint32_t correlation) {
  if (int error = init()) return error;
  Node node{Work::kernel, name, duration_of(name, arguments, *stream->device->gpu)};
  memcpy(node.grid, grid, sizeof node.grid);
  memcpy(node.block, block, sizeof node.block);
  if (verbose() >= 2) {
    log("kernel %s <%u,%u,%u> <%u,%u,%u> stream %u%s", name.c_str(), grid[0], grid[1], grid[2],
        block[0], block[1], block[2], stream->id,
        stream->capture == Capture::none ? "" : " captured");
  }
  return enqueue(stream, node, correlation);
}

int launch_of_library(void* stream, const char* name) {
  constexpr uint32_t LAUNCH_KERNEL = 211;  // CUPTI_RUNTIME_TRACE_CBID_cudaLaunchKernel_v7000
  if (int error = init()) return error;
  Call call(Seen::runtime_call, LAUNCH_KERNEL);
  const unsigned grid[3] = {64, 1, 1}, block[3] = {256, 1, 1};
  return launch(stream_of(stream), name, grid, block, nullptr, call.correlation);
}

// One entry in the queue, whatever the graph holds; within it kernels follow more closely.
int launch_graph(GraphExec* graph, Stream* stream, uint32_t correlation) {
  if (stream->capture != Capture::none) return CAPTURE_UNSUPPORTED;
  if (int error = ready_for(stream)) return error;
  HOLD;
  double factor = slowdown(stream->device->gpu->index);
  int64_t at_ns = start_of_next(stream);
  for (Node node : graph->nodes) {
    node.duration_ns = static_cast<int64_t>(static_cast<double>(node.duration_ns) * factor);
    show_profiler(stream, node, at_ns, correlation, graph->id);
    at_ns += node.duration_ns + gap_ns() / 4;
  }
  stream->free_ns = at_ns;
  stream->ends.push_back(at_ns);
  return OK;
}

int synchronize_stream(Stream* stream) {
  if (stream->capture != Capture::none) {
    stream->capture = Capture::invalidated;
    return CAPTURE_UNSUPPORTED;
  }
  return wait_until(stream->device, stream->free_ns);
}

int synchronize_device(Device* device) {
  if (int error = forbidden_in_capture()) return error;
  int64_t last_ns = 0;
  {
    HOLD;
    for (auto* stream : all_streams()) {
      if (stream->device == device) last_ns = std::max(last_ns, stream->free_ns);
    }
  }
  return wait_until(device, last_ns);
}

int query_stream(Stream* stream) {
  if (int error = forbidden_in_capture()) return error;
  if (int error = stream->device->trouble()) return error;
  return stream->free_ns <= now_ns() ? OK : NOT_READY;
}

}  // namespace fake
