// Memory and copies of libcudart.so.13.
#include <stdlib.h>
#include <string.h>

#include "cudart.h"

using namespace fake;

namespace {

cudaError_t copy_on(cudaStream_t stream, const Copy& what, uint32_t correlation) {
  NEEDS_GPU();
  return done(copy(what, stream_of(stream), correlation));
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  SEEN(cudaMalloc, v3020);
  NEEDS_GPU();
  if (int error = forbidden_in_capture()) return done(error);
  return done(allocate(pointer, bytes));
}

cudaError_t cudaFree(void* pointer) {
  SEEN(cudaFree, v3020);
  NEEDS_GPU();
  if (int error = forbidden_in_capture()) return done(error);
  return done(release(pointer));
}

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  NEEDS_GPU();
  HOLD;
  current_device()->use();
  *free_bytes = current_device()->free_bytes();
  *total_bytes = static_cast<size_t>(current_device()->gpu->spec.memory_bytes);
  return done(current_device()->trouble());
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  NEEDS_GPU();
  *pointer = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  return done(*pointer ? OK : OUT_OF_MEMORY);
}

cudaError_t cudaFreeHost(void* pointer) {
  free(pointer);
  return cudaSuccess;
}

cudaError_t cudaHostRegister(void*, size_t, unsigned) {
  NEEDS_GPU();
  return cudaSuccess;
}

cudaError_t cudaHostUnregister(void*) { return cudaSuccess; }

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* found, const void* pointer) {
  NEEDS_GPU();
  Block block = block_of(pointer);
  void* address = const_cast<void*>(pointer);
  memset(found, 0, sizeof *found);
  found->type = block.device ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
  found->device = block.device ? block.device->ordinal : cudaInvalidDeviceId;
  found->devicePointer = block.device ? address : nullptr;
  found->hostPointer = block.device ? nullptr : address;
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind direction) {
  SEEN(cudaMemcpy, v3020);
  NEEDS_GPU();
  if (int error = forbidden_in_capture()) return done(error);
  return copy_on(nullptr, {to, from, bytes, direction, true}, call_.correlation);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind direction,
                            cudaStream_t stream) {
  SEEN(cudaMemcpyAsync, v3020);
  return copy_on(stream, {to, from, bytes, direction, false}, call_.correlation);
}

cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes,
                                cudaStream_t stream) {
  SEEN(cudaMemcpyPeerAsync, v4000);
  return copy_on(stream, {to, from, bytes, cudaMemcpyDeviceToDevice, false}, call_.correlation);
}

cudaError_t cudaMemset(void* to, int value, size_t count) {
  SEEN(cudaMemset, v3020);
  NEEDS_GPU();
  return done(fill(to, value, 1, count, stream_of(nullptr), call_.correlation));
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t count, cudaStream_t stream) {
  SEEN(cudaMemsetAsync, v3020);
  NEEDS_GPU();
  return done(fill(to, value, 1, count, stream_of(stream), call_.correlation));
}

}  // extern "C"
