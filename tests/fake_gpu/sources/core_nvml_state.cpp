#include <algorithm>
#include <iterator>
#include <string>

#include "nvml_state.h"
#include "settings.h"
#include "state.h"

namespace fake {
namespace {

struct Row {
  int error;
  const char* staged;  // as FAKE_GPU_NVML names it
  const char* text;    // as nvmlErrorString words it
};

const Row ROWS[] = {
    {0, "", "Success"},
    {2, "", "Invalid Argument"},
    {3, "", "Not Supported"},
    {4, "refused", "Insufficient Permissions"},
    {6, "", "Not Found"},
    {7, "", "Insufficient Size"},
    {9, "not_loaded", "Driver Not Loaded"},
    {12, "missing", "NVML Shared Library Not Found"},
    {13, "", "Function Not Found"},
    {15, "lost", "GPU is lost"},
    {18, "mismatch", "Driver/library version mismatch"},
    {999, "unknown", "Unknown Error"},
};

bool all_lost() {
  return std::all_of(gpus().begin(), gpus().end(),
                     [](const Gpu& gpu) { return marked(Marker::lost, gpu.index); });
}

}  // namespace

int nvml_init_error() {
  std::string staged = setting("FAKE_GPU_NVML");
  for (auto& row : ROWS) {
    if (*row.staged && staged == row.staged) return row.error;
  }
  if (driver_version() == 0) return NVML_DRIVER_NOT_LOADED;
  bool lost = !gpus().empty() && all_lost();
  return lost ? static_cast<int>(number("FAKE_GPU_LOST_NVML", NVML_UNKNOWN)) : NVML_SUCCESS;
}

const char* nvml_error_text(int error) {
  for (auto& row : ROWS) {
    if (row.error == error) return row.text;
  }
  return "Unknown Error";
}

std::vector<UserOfPart> all_users(const Gpu& gpu) {
  std::vector<UserOfPart> found;
  for (auto& user : users(gpu.slot())) {
    found.push_back({user.pid, user.bytes, static_cast<unsigned>(gpu.part)});
  }
  for (auto& part : gpu.parts) {
    for (auto& user : all_users(part)) found.push_back(user);
  }
  return found;
}

size_t used_bytes(const Gpu& gpu) {
  size_t bytes = 0;
  for (auto& user : all_users(gpu)) bytes += user.bytes;
  return bytes;
}

// Hotter while heat is a reason for slower clocks; beyond that, made up.
unsigned celsius_of(const Gpu& gpu) {
  constexpr uint64_t THERMAL = 0x20 | 0x40;
  return throttle_bits(gpu.index) & THERMAL ? 91 : 61;
}

// At the limit while power is one, and at five eighths of it otherwise.
unsigned milliwatts_of(const Gpu& gpu) {
  constexpr uint64_t POWER = 0x4;
  auto limit = static_cast<unsigned>(gpu.spec.power_w) * 1000;
  return throttle_bits(gpu.index) & POWER ? limit : limit / 8 * 5;
}

}  // namespace fake
