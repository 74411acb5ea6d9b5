// Devices, errors and versions of libcudart.so.13.
#include <dlfcn.h>
#include <string.h>

#include "cudart.h"

using namespace fake;

namespace fake {
namespace {
thread_local int last_error = OK;
}

cudaError_t done(int error) {
  if (error && error != NOT_READY) {
    last_error = error;
    if (verbose()) log("%s (%d)", error_name(error), error);
  }
  return static_cast<cudaError_t>(error);
}
}  // namespace fake

namespace {

void describe(const Gpu& gpu, cudaDeviceProp* found) {
  const Spec& spec = gpu.spec;
  memset(found, 0, sizeof *found);
  strncpy(found->name, gpu.name().c_str(), sizeof found->name - 1);
  memcpy(found->uuid.bytes, gpu.uuid, sizeof found->uuid.bytes);
  found->totalGlobalMem = static_cast<size_t>(spec.memory_bytes);
  found->sharedMemPerBlock = 49152;
  found->regsPerBlock = spec.registers_per_multiprocessor;
  found->warpSize = 32;
  found->memPitch = 2147483647;
  found->maxThreadsPerBlock = 1024;
  found->maxThreadsDim[0] = found->maxThreadsDim[1] = 1024;
  found->maxThreadsDim[2] = 64;
  found->maxGridSize[0] = 2147483647;
  found->maxGridSize[1] = found->maxGridSize[2] = 65535;
  found->totalConstMem = 65536;
  found->major = spec.major;
  found->minor = spec.minor;
  found->textureAlignment = 512;
  found->texturePitchAlignment = 32;
  found->multiProcessorCount = spec.multiprocessors;
  found->canMapHostMemory = 1;
  found->concurrentKernels = 1;
  found->pciBusID = gpu.pci_bus();
  found->asyncEngineCount = 2;
  found->unifiedAddressing = 1;
  found->memoryBusWidth = spec.memory_bus_bits;
  found->l2CacheSize = spec.l2_bytes;
  found->maxThreadsPerMultiProcessor = spec.threads_per_multiprocessor;
  found->streamPrioritiesSupported = 1;
  found->sharedMemPerMultiprocessor = spec.shared_bytes_per_multiprocessor;
  found->regsPerMultiprocessor = spec.registers_per_multiprocessor;
  found->managedMemory = 1;
  found->cooperativeLaunch = 1;
  found->sharedMemPerBlockOptin = spec.shared_bytes_per_block;
  found->maxBlocksPerMultiProcessor = 16;
  found->reservedSharedMemPerBlock = 1024;
  found->clusterLaunch = spec.major >= 9;
}

}  // namespace

extern "C" {

const char* cudaGetErrorString(cudaError_t error) { return error_text(error); }
const char* cudaGetErrorName(cudaError_t error) { return error_name(error); }

cudaError_t cudaGetLastError() {
  int error = last_error;
  last_error = OK;
  return static_cast<cudaError_t>(error);
}

cudaError_t cudaPeekAtLastError() { return static_cast<cudaError_t>(last_error); }

cudaError_t cudaDriverGetVersion(int* version) {
  *version = driver_version();
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  NEEDS_GPU();
  *count = device_count();
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* ordinal) {
  NEEDS_GPU();
  *ordinal = current_device()->ordinal;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int ordinal) {
  NEEDS_GPU();
  if (int error = set_current_device(ordinal)) return done(error);
  current_device()->use();
  return done(current_device()->trouble());
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int ordinal) {
  NEEDS_GPU();
  Device* device = device_at(ordinal);
  if (!device) return done(INVALID_DEVICE);
  *value = attribute(*device->gpu, which);
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int ordinal) {
  NEEDS_GPU();
  Device* device = device_at(ordinal);
  if (!device || length < 1) return done(device ? INVALID_VALUE : INVALID_DEVICE);
  strncpy(text, device->gpu->pci_text().c_str(), length - 1);
  text[length - 1] = 0;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* found, int ordinal) {
  NEEDS_GPU();
  Device* device = device_at(ordinal);
  if (!device) return done(INVALID_DEVICE);
  describe(*device->gpu, found);
  return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  NEEDS_GPU();
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  SEEN(cudaDeviceSynchronize, v3020);
  NEEDS_GPU();
  return done(synchronize_device(current_device()));
}

// No pair of these GPUs reaches into each other's memory; copies between them still work.
cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  NEEDS_GPU();
  *can = 0;
  return cudaSuccess;
}

cudaError_t cudaProfilerStart() { return cudaSuccess; }
cudaError_t cudaProfilerStop() { return cudaSuccess; }

// The driver is loaded here and not before, as by the real runtime. Later forms of a function carry
// a suffix that callers leave out.
cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** found, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* status) {
  static void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
  *found = nullptr;
  for (const char* suffix : {"", "_v2", "_v3", "_v4"}) {
    std::string name = std::string(symbol) + suffix;
    if (driver && !*found) *found = dlsym(driver, name.c_str());
  }
  if (!*found) log("the driver has no function %s", symbol);
  if (status) *status = *found ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}

}  // extern "C"
