// A GPU as one process uses it: whether it may, what it holds, and what goes wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "machine.h"

namespace fake {

// Guards all that a process knows of its GPUs. Recursive: freeing memory, for one, synchronises.
extern std::recursive_mutex mutex;
#define HOLD std::lock_guard<std::recursive_mutex> hold(fake::mutex)

// Errors, numbered alike by cudaError_t and CUresult.
enum Error {
  OK = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NOT_INITIALIZED = 3,
  INVALID_CONFIGURATION = 9,
  INSUFFICIENT_DRIVER = 35,
  INVALID_DEVICE_FUNCTION = 98,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  NO_IMAGE = 209,
  INVALID_HANDLE = 400,
  NOT_READY = 600,
  NOT_SUPPORTED = 801,
  CAPTURE_UNSUPPORTED = 900,
  CAPTURE_INVALIDATED = 901,
};
const char* error_name(int error);         // "cudaErrorMemoryAllocation"
const char* driver_error_name(int error);  // "CUDA_ERROR_OUT_OF_MEMORY"
const char* error_text(int error);         // "out of memory"

struct Stream;

struct Device {
  int ordinal;      // as CUDA counts in this process
  const Gpu* gpu;
  Stream* default_stream = nullptr;
  bool used = false;     // has a context, and so takes memory
  size_t held_bytes = 0;
  uint64_t launched = 0;
  int sticky = OK;       // the error after which nothing works any more in this process

  // Takes note of a launch; loses or hangs the GPU when that is staged for it.
  void launch();
  // An error where the GPU is lost.
  int trouble();
  bool hangs();
  // The first use in a process makes the context.
  void use();
  size_t free_bytes() const;
  size_t context_bytes() const;
};

// 0 or the error with which CUDA refuses to start here; starts it the first time.
int init();
bool initialised();   // in this process, not in a parent
void driver_loaded(); // libcuda.so.1 calls this when it is loaded
// The same for the runtime library, which also refuses a driver that is older than itself.
int init_runtime();

int device_count();
Device* device_at(int ordinal);  // null where there is none
Device* device_of(const Gpu* gpu);
Device* current_device();        // of the calling thread
int set_current_device(int ordinal);
void tell_usage();               // to NVML in all processes

}  // namespace fake
