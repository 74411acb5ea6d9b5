// Streams and events of libcudart.so.13.
#include "cudart.h"

using namespace fake;

namespace {

Event* event_of(cudaEvent_t event) { return reinterpret_cast<Event*>(event); }

}  // namespace

extern "C" {

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* made, unsigned flags, int priority) {
  NEEDS_GPU();
  current_device()->use();
  if (int error = current_device()->trouble()) return done(error);
  *made = reinterpret_cast<cudaStream_t>(make_stream(current_device(), flags, priority));
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* made, unsigned flags) {
  return cudaStreamCreateWithPriority(made, flags, 0);
}

cudaError_t cudaStreamCreate(cudaStream_t* made) {
  return cudaStreamCreateWithPriority(made, 0, 0);
}

// Streams are few, and events point to them: they are kept.
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
  NEEDS_GPU();
  *priority = stream_of(stream)->priority;
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  NEEDS_GPU();
  return done(query_stream(stream_of(stream)));
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  SEEN(cudaStreamSynchronize, v3020);
  NEEDS_GPU();
  if (int error = forbidden_in_capture()) return done(error);
  return done(synchronize_stream(stream_of(stream)));
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  SEEN(cudaStreamWaitEvent, v3020);
  NEEDS_GPU();
  return done(wait_for_event(stream_of(stream), event_of(event)));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* made, unsigned flags) {
  NEEDS_GPU();
  if (int error = current_device()->trouble()) return done(error);
  auto* event = new Event;
  event->flags = flags;
  *made = reinterpret_cast<cudaEvent_t>(event);
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* made) { return cudaEventCreateWithFlags(made, 0); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event_of(event);
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  SEEN(cudaEventRecord, v3020);
  NEEDS_GPU();
  return done(record_event(event_of(event), stream_of(stream)));
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) {
  SEEN(cudaEventRecordWithFlags, v11010);
  NEEDS_GPU();
  return done(record_event(event_of(event), stream_of(stream)));
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  SEEN(cudaEventQuery, v3020);
  NEEDS_GPU();
  return done(query_event(event_of(event)));
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  SEEN(cudaEventSynchronize, v3020);
  NEEDS_GPU();
  return done(synchronize_event(event_of(event)));
}

cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
  NEEDS_GPU();
  return done(elapsed_ms(ms, event_of(from), event_of(to)));
}

}  // extern "C"
