// Devices, contexts and entry points of libcuda.so.1.
#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>

#include <string>

#include "driver.h"
#include "settings.h"
#include "stream.h"

using namespace fake;

namespace {

// A context is known by its device: one primary context each.
CUcontext context_of(Device* device) { return reinterpret_cast<CUcontext>(device); }

thread_local bool has_context = false;  // that this thread set; the runtime library sets one, too

__attribute__((constructor)) void loaded() { driver_loaded(); }

}  // namespace

extern "C" {

CUresult cuInit(unsigned) { return result(init()); }

CUresult cuDriverGetVersion(int* version) {
  *version = driver_version();
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int* count) {
  NEEDS_INIT();
  *count = device_count();
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  NEEDS_INIT();
  *device = ordinal;
  return device_at(ordinal) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetName(char* text, int length, CUdevice ordinal) {
  NEEDS_INIT();
  Device* device = device_at(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  snprintf(text, static_cast<size_t>(length), "%s", device->gpu->name().c_str());
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute which, CUdevice ordinal) {
  NEEDS_INIT();
  Device* device = device_at(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  *value = attribute(*device->gpu, which);
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice ordinal) {
  NEEDS_INIT();
  Device* device = device_at(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  *bytes = static_cast<size_t>(device->gpu->spec.memory_bytes);
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice ordinal) {
  NEEDS_INIT();
  Device* device = device_at(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  device->use();
  *context = context_of(device);
  return result(device->trouble());
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) {
  NEEDS_INIT();
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice ordinal, unsigned* flags, int* active) {
  NEEDS_INIT();
  Device* device = device_at(ordinal);
  if (!device) return CUDA_ERROR_INVALID_DEVICE;
  *flags = 0;
  *active = device->used;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* context) {
  NEEDS_INIT();
  Device* device = current_device();
  *context = has_context || device->used ? context_of(device) : nullptr;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context) {
  NEEDS_INIT();
  has_context = context != nullptr;
  if (!context) return CUDA_SUCCESS;
  auto* device = reinterpret_cast<Device*>(context);
  device->use();
  return result(set_current_device(device->ordinal));
}

CUresult cuCtxGetDevice(CUdevice* ordinal) {
  NEEDS_INIT();
  *ordinal = current_device()->ordinal;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetLimit(size_t* value, CUlimit) {
  NEEDS_INIT();
  *value = 0;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetLimit(CUlimit, size_t) {
  NEEDS_INIT();
  return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize() {
  NEEDS_INIT();
  return result(synchronize_device(current_device()));
}

CUresult cuGetErrorString(CUresult error, const char** text) {
  *text = error_text(error);
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult error, const char** text) {
  *text = driver_error_name(error);
  return CUDA_SUCCESS;
}

CUresult cuLogsRegisterCallback(CUlogsCallback, void*, CUlogsCallbackHandle* handle) {
  if (handle) *handle = nullptr;
  return CUDA_SUCCESS;
}

CUresult cuLogsUnregisterCallback(CUlogsCallbackHandle) { return CUDA_SUCCESS; }

CUresult cuGetProcAddress_v2(const char* symbol, void** found, int, cuuint64_t,
                             CUdriverProcAddressQueryResult* status) {
  static void* self = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  *found = nullptr;
  for (const char* suffix : {"", "_v2", "_v3", "_v4"}) {
    std::string name = std::string(symbol) + suffix;
    if (self && !*found) *found = dlsym(self, name.c_str());
  }
  if (status) {
    *status = *found ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  }
  return *found ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

// NVIDIA's own libraries talk to the driver through tables that no header describes: which of them
// is in use, and would have to be posed as, too, is what a test is told.
CUresult cuGetExportTable(const void**, const CUuuid*) {
  Dl_info caller{};
  bool known = dladdr(__builtin_return_address(0), &caller) && caller.dli_fname;
  std::string path = known ? caller.dli_fname : "an unknown library";
  std::string library = path.substr(path.rfind('/') + 1);
  // The run-time compiler is made for machines without a driver, so it can do without an answer.
  if (library.rfind("libnvrtc", 0) != 0) missing(("cuGetExportTable of " + library).c_str());
  return CUDA_ERROR_NOT_SUPPORTED;
}

}  // extern "C"
