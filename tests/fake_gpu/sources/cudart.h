// Shared by the files that pose as libcudart.so.13.
#pragma once

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <cupti_runtime_cbid.h>

#include "device.h"
#include "memory.h"
#include "profile.h"
#include "settings.h"
#include "stream.h"

namespace fake {

// Keeps an error for cudaGetLastError and returns it.
cudaError_t done(int error);

// The first lines of an API function: it needs a GPU that works, and profilers see it.
#define NEEDS_GPU() \
  if (int error_ = fake::init_runtime()) return fake::done(error_)
#define SEEN(name, version)                                                      \
  fake::Call call_(fake::Seen::runtime_call, CUPTI_RUNTIME_TRACE_CBID_##name##_##version); \
  if (fake::verbose() >= 3) fake::log(#name)

}  // namespace fake
