// Kernels that are compiled into torch: nvcc's generated code registers each under the address of a
// host function, and launches it by that.
#include <string.h>

#include <unordered_map>

#include "cudart.h"
#include "cudart_images.h"

using namespace fake;

namespace {

struct Configuration {
  dim3 grid, block;
  size_t shared_bytes;
  cudaStream_t stream;
};

thread_local std::vector<Configuration> configurations;

struct Kernel {
  std::string name;
  const void* images;
};

// Registered while libraries are loaded, by one thread; only read later.
std::unordered_map<const void*, Kernel>& kernels() {
  static auto* all = new std::unordered_map<const void*, Kernel>;
  return *all;
}

cudaError_t run(const void* function, dim3 grid, dim3 block, void** arguments, cudaStream_t stream,
                uint32_t correlation) {
  NEEDS_GPU();
  size_t threads = size_t{block.x} * block.y * block.z;
  bool sound = grid.x && grid.y && grid.z && threads && threads <= 1024;
  if (!sound) return done(INVALID_CONFIGURATION);
  auto kernel = kernels().find(function);
  if (kernel == kernels().end()) return done(INVALID_DEVICE_FUNCTION);
  const auto& [name, images] = kernel->second;
  if (!has_image_for(images, current_device()->gpu->spec)) return done(NO_IMAGE);
  const unsigned blocks[3] = {grid.x, grid.y, grid.z}, in_block[3] = {block.x, block.y, block.z};
  return done(launch(stream_of(stream), name, blocks, in_block, arguments, correlation));
}

}  // namespace

extern "C" {

void** __cudaRegisterFatBinary(void* wrapper) { return new void*(wrapper); }

void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void** handle) { delete handle; }
char __cudaInitModule(void**) { return 1; }
void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int, int) {}

void __cudaRegisterFunction(void** handle, const char* host, char*, const char* device, int, uint3*,
                            uint3*, dim3*, dim3*, int*) {
  kernels()[host] = {device, *handle};
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_bytes,
                                     struct CUstream_st* stream) {
  configurations.push_back({grid, block, shared_bytes, stream});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared_bytes,
                                       void* stream) {
  if (configurations.empty()) return done(INVALID_VALUE);
  Configuration last = configurations.back();
  configurations.pop_back();
  *grid = last.grid;
  *block = last.block;
  *shared_bytes = last.shared_bytes;
  *static_cast<cudaStream_t*>(stream) = last.stream;
  return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t,
                             cudaStream_t stream) {
  SEEN(cudaLaunchKernel, v7000);
  return run(function, grid, block, arguments, stream, call_.correlation);
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t,
                               cudaStream_t stream) {
  SEEN(cudaLaunchKernel, v7000);
  return run(kernel, grid, block, arguments, stream, call_.correlation);
}

cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3 grid, dim3 block,
                                        void** arguments, size_t, cudaStream_t stream) {
  SEEN(cudaLaunchCooperativeKernel, v9000);
  return run(function, grid, block, arguments, stream, call_.correlation);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function,
                                void** arguments) {
  SEEN(cudaLaunchKernelExC, v11060);
  return run(function, config->gridDim, config->blockDim, arguments, config->stream,
             call_.correlation);
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* found, const void*) {
  NEEDS_GPU();
  const Spec& spec = current_device()->gpu->spec;
  memset(found, 0, sizeof *found);
  found->maxThreadsPerBlock = 1024;
  found->numRegs = 32;
  found->ptxVersion = found->binaryVersion = spec.major * 10 + spec.minor;
  found->maxDynamicSharedSizeBytes = 49152;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute which, int value) {
  NEEDS_GPU();
  bool too_much = which == cudaFuncAttributeMaxDynamicSharedMemorySize &&
                  value > current_device()->gpu->spec.shared_bytes_per_block;
  return done(too_much ? INVALID_VALUE : OK);
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*,
                                                                   int threads, size_t, unsigned) {
  NEEDS_GPU();
  int most = current_device()->gpu->spec.threads_per_multiprocessor;
  *blocks = threads > 0 && threads <= most ? most / threads : 1;
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function,
                                                          int threads, size_t shared_bytes) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads,
                                                                shared_bytes, 0);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  NEEDS_GPU();
  Stream* stream = stream_of(handle);
  if (stream->capture != Capture::none) return cudaSuccess;
  if (int error = wait_until(stream->device, stream->free_ns)) return done(error);
  function(data);
  return cudaSuccess;
}

cudaError_t cudaStreamAddCallback(cudaStream_t handle, cudaStreamCallback_t function, void* data,
                                  unsigned) {
  NEEDS_GPU();
  Stream* stream = stream_of(handle);
  if (int error = wait_until(stream->device, stream->free_ns)) return done(error);
  function(handle, cudaSuccess, data);
  return cudaSuccess;
}

}  // extern "C"
