// What NVML and nvidia-smi tell alike.
#pragma once

#include <cstddef>
#include <vector>

#include "machine.h"

namespace fake {

// As in nvml.h, nvmlReturn_t.
enum NvmlError {
  NVML_SUCCESS = 0,
  NVML_INVALID_ARGUMENT = 2,
  NVML_NOT_SUPPORTED = 3,
  NVML_NO_PERMISSION = 4,
  NVML_NOT_FOUND = 6,
  NVML_INSUFFICIENT_SIZE = 7,
  NVML_DRIVER_NOT_LOADED = 9,
  NVML_LIBRARY_NOT_FOUND = 12,
  NVML_GPU_IS_LOST = 15,
  NVML_LIB_RM_VERSION_MISMATCH = 18,
  NVML_UNKNOWN = 999,
};

// With what nvmlInit fails: FAKE_GPU_NVML, or every GPU is lost. 0 where it does not.
int nvml_init_error();
const char* nvml_error_text(int error);

// All users of a GPU, its parts' with them.
struct UserOfPart {
  int pid;
  size_t bytes;
  unsigned part;  // all ones where the GPU is not divided
};
std::vector<UserOfPart> all_users(const Gpu& gpu);
size_t used_bytes(const Gpu& gpu);
unsigned celsius_of(const Gpu& gpu);
unsigned milliwatts_of(const Gpu& gpu);

}  // namespace fake
