#include <algorithm>

#include "settings.h"
#include "stream.h"

namespace fake {

int record_event(Event* event, Stream* stream) {
  HOLD;
  if (stream->capture == Capture::invalidated) return CAPTURE_INVALIDATED;
  event->device = stream->device;
  if (stream->capture == Capture::active) {
    event->captured_on = stream;
    event->recorded = false;
    return OK;
  }
  if (int error = stream->device->trouble()) return error;
  event->captured_on = nullptr;
  event->recorded = true;
  stream->free_ns = std::max(stream->free_ns, now_ns());
  event->ns = stream->free_ns;
  return OK;
}

int query_event(Event* event) {
  if (int error = forbidden_in_capture()) return error;
  if (event->captured_on) return CAPTURE_UNSUPPORTED;
  if (!event->recorded) return OK;
  if (int error = event->device->trouble()) return error;
  return event->ns <= now_ns() ? OK : NOT_READY;
}

int synchronize_event(Event* event) {
  if (int error = forbidden_in_capture()) return error;
  if (event->captured_on) return CAPTURE_UNSUPPORTED;
  return event->recorded ? wait_until(event->device, event->ns) : OK;
}

int elapsed_ms(float* ms, Event* from, Event* to) {
  constexpr unsigned WITHOUT_TIME = 2;  // cudaEventDisableTiming
  if ((from->flags | to->flags) & WITHOUT_TIME) return INVALID_HANDLE;
  if (!from->recorded || !to->recorded || from->device != to->device) return INVALID_HANDLE;
  if (int error = from->device->trouble()) return error;
  if (std::max(from->ns, to->ns) > now_ns()) return NOT_READY;
  *ms = static_cast<float>(static_cast<double>(to->ns - from->ns) / 1e6);
  return OK;
}

// A stream that waits for an event of a captured stream joins the capture.
int wait_for_event(Stream* stream, Event* event) {
  HOLD;
  Stream* captured = event->captured_on;
  if (captured && captured->capture != Capture::none) {
    if (stream->capture != Capture::none) return OK;
    stream->capture = Capture::active;
    stream->capture_id = captured->capture_id;
    stream->graph = captured->graph;
    stream->capture_mode = 2;  // only the stream that began restricts its thread
    return OK;
  }
  if (stream->capture != Capture::none) return OK;
  if (event->recorded) stream->free_ns = std::max(stream->free_ns, event->ns);
  return OK;
}

}  // namespace fake
