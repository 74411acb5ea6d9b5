// Compiled kernels of libcuda.so.1: what Triton and Inductor's launcher load and launch.
#include <cuda.h>
#include <cupti_driver_cbid.h>
#include <stdio.h>
#include <string.h>
#include <vector_types.h>

#include <string>

#include "driver.h"
#include "memory.h"
#include "profile.h"
#include "settings.h"
#include "stream.h"

using namespace fake;

namespace {

struct Function {
  std::string name;
};

// Which sm_ a cubin is for, from the flags of its ELF header: bits 8-15 in the newer form of the
// ABI, 0-7 in the older. 0 where it is no ELF file, but PTX.
int architecture_of(const void* image) {
  auto* head = static_cast<const unsigned char*>(image);
  if (memcmp(head, "\x7f" "ELF", 4)) return 0;
  constexpr int ABI_VERSION = 8, FLAGS = 48;
  uint32_t flags;
  memcpy(&flags, head + FLAGS, sizeof flags);
  return static_cast<int>(head[ABI_VERSION] >= 8 ? flags >> 8 & 0xff : flags & 0xff);
}

// A cubin runs on GPUs of the same major capability and no lower minor one.
bool runs_here(int architecture) {
  const Spec& spec = current_device()->gpu->spec;
  int own = spec.major * 10 + spec.minor;
  return !architecture || (architecture / 10 == spec.major && architecture <= own);
}

CUresult load(CUmodule* made, const void* image) {
  NEEDS_INIT();
  if (int error = current_device()->trouble()) return result(error);
  if (lists("FAKE_GPU_OOM_AT", "module")) return CUDA_ERROR_OUT_OF_MEMORY;
  int architecture = architecture_of(image);
  if (!runs_here(architecture)) {
    log("a cubin for sm_%d does not run on %s", architecture, current_device()->gpu->spec.name);
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  if (verbose()) log("module for sm_%d", architecture);
  *made = reinterpret_cast<CUmodule>(new int(architecture));
  return CUDA_SUCCESS;
}

struct Launch {
  dim3 grid, block;
  unsigned shared_bytes;
  CUstream stream;
  void** arguments;
};

CUresult run(CUfunction function, const Launch& what, uint32_t correlation) {
  NEEDS_INIT();
  auto& name = reinterpret_cast<Function*>(function)->name;
  const dim3 &grid = what.grid, &block = what.block;
  size_t threads = size_t{block.x} * block.y * block.z;
  auto most = static_cast<unsigned>(current_device()->gpu->spec.shared_bytes_per_block);
  bool sound = grid.x && grid.y && grid.z && threads && threads <= 1024;
  if (!sound || what.shared_bytes > most) {
    log("%s asks for what no launch of this GPU may have", name.c_str());
    return CUDA_ERROR_INVALID_VALUE;
  }
  const unsigned blocks[3] = {grid.x, grid.y, grid.z}, in_block[3] = {block.x, block.y, block.z};
  return result(
      launch(stream_of(what.stream), name, blocks, in_block, what.arguments, correlation));
}

}  // namespace

extern "C" {

CUresult cuModuleLoadData(CUmodule* made, const void* image) { return load(made, image); }

CUresult cuModuleLoadDataEx(CUmodule* made, const void* image, unsigned, CUjit_option*, void**) {
  return load(made, image);
}

CUresult cuModuleLoad(CUmodule* made, const char* path) {
  char head[64] = {};
  FILE* file = fopen(path, "rb");
  if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
  size_t length = fread(head, 1, sizeof head, file);
  fclose(file);
  return length ? load(made, head) : CUDA_ERROR_INVALID_IMAGE;
}

CUresult cuModuleUnload(CUmodule module_) {
  delete reinterpret_cast<int*>(module_);
  return CUDA_SUCCESS;
}

// Functions outlive their module: launches that were captured still name them.
CUresult cuModuleGetFunction(CUfunction* found, CUmodule, const char* name) {
  NEEDS_INIT();
  *found = reinterpret_cast<CUfunction>(new Function{name});
  return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr* pointer, size_t* bytes, CUmodule, const char*) {
  NEEDS_INIT();
  if (pointer) *pointer = 0;
  if (bytes) *bytes = 0;
  return CUDA_ERROR_NOT_FOUND;
}

CUresult cuFuncGetAttribute(int* value, CUfunction_attribute which, CUfunction) {
  NEEDS_INIT();
  const Spec& spec = current_device()->gpu->spec;
  switch (which) {
    case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = 32; break;
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = 1024; break;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
    case CU_FUNC_ATTRIBUTE_PTX_VERSION: *value = spec.major * 10 + spec.minor; break;
    default: *value = 0;
  }
  return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction, CUfunction_attribute which, int value) {
  NEEDS_INIT();
  bool too_much = which == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES &&
                  value > current_device()->gpu->spec.shared_bytes_per_block;
  return too_much ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuFuncSetCacheConfig(CUfunction, CUfunc_cache) {
  NEEDS_INIT();
  return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                        CUstream stream, void** arguments, void**) {
  Call call(Seen::driver_call, CUPTI_DRIVER_TRACE_CBID_cuLaunchKernel);
  const dim3 grid(grid_x, grid_y, grid_z), block(block_x, block_y, block_z);
  return run(function, {grid, block, shared_bytes, stream, arguments}, call.correlation);
}

CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                                   unsigned grid_z, unsigned block_x, unsigned block_y,
                                   unsigned block_z, unsigned shared_bytes, CUstream stream,
                                   void** arguments) {
  Call call(Seen::driver_call, CUPTI_DRIVER_TRACE_CBID_cuLaunchCooperativeKernel);
  const dim3 grid(grid_x, grid_y, grid_z), block(block_x, block_y, block_z);
  return run(function, {grid, block, shared_bytes, stream, arguments}, call.correlation);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function, void** arguments,
                          void**) {
  Call call(Seen::driver_call, CUPTI_DRIVER_TRACE_CBID_cuLaunchKernelEx);
  return run(function,
             {{config->gridDimX, config->gridDimY, config->gridDimZ},
              {config->blockDimX, config->blockDimY, config->blockDimZ},
              config->sharedMemBytes,
              config->hStream,
              arguments},
             call.correlation);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction, int threads, size_t) {
  NEEDS_INIT();
  *blocks = threads > 0 ? current_device()->gpu->spec.threads_per_multiprocessor / threads : 1;
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveClusters(int* clusters, CUfunction, const CUlaunchConfig*) {
  NEEDS_INIT();
  *clusters = current_device()->gpu->spec.multiprocessors;
  return CUDA_SUCCESS;
}

CUresult cuPointerGetAttribute(void* value, CUpointer_attribute which, CUdeviceptr pointer) {
  NEEDS_INIT();
  Block block = block_of(reinterpret_cast<void*>(pointer));
  if (!block.device) return CUDA_ERROR_INVALID_VALUE;
  switch (which) {
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      *static_cast<CUdeviceptr*>(value) = pointer;
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      *static_cast<unsigned*>(value) = CU_MEMORYTYPE_DEVICE;
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      *static_cast<CUcontext*>(value) = reinterpret_cast<CUcontext>(block.device);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      *static_cast<int*>(value) = block.device->ordinal;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr* start, size_t* bytes, CUdeviceptr pointer) {
  NEEDS_INIT();
  Block block = block_of(reinterpret_cast<void*>(pointer));
  if (!block.device) return CUDA_ERROR_INVALID_VALUE;
  if (start) *start = block.start;
  if (bytes) *bytes = block.bytes;
  return CUDA_SUCCESS;
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  NEEDS_INIT();
  return result(fill(reinterpret_cast<void*>(to), static_cast<int>(value), 4, count,
                     stream_of(stream), next_correlation()));
}

}  // extern "C"
