// Shared by the files that pose as libcuda.so.1.
#pragma once

#include <cuda.h>

#include "device.h"

namespace fake {

inline CUresult result(int error) { return static_cast<CUresult>(error); }

// The first line of a function of the driver: without cuInit, or a call of the runtime library in
// its place, it refuses; in a forked child of an initialised process it refuses as well.
#define NEEDS_INIT() \
  if (!fake::initialised()) return CUDA_ERROR_NOT_INITIALIZED

}  // namespace fake
