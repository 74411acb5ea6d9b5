#include "device.h"

#include <stdlib.h>
#include <unistd.h>

#include "settings.h"
#include "state.h"
#include "stream.h"

namespace fake {

std::recursive_mutex mutex;

namespace {

pid_t initialised_by = 0;
pid_t loaded_by = 0;
std::vector<Device>* all_devices = nullptr;
thread_local int current = 0;

// "COUNT" or "COUNT@GPU": on which launch, and on which GPU alone, trouble begins.
bool is_due(const char* name, uint64_t launched, int gpu) {
  std::string text = setting(name);
  if (text.empty()) return false;
  char* rest = nullptr;
  uint64_t count = strtoull(text.c_str(), &rest, 10);
  if (*rest == '@' && atoi(rest + 1) != gpu) return false;
  return launched > count;
}

// What a driver might do in a child that was forked after it was loaded, though not initialised.
int forked_after_loading() {
  if (!loaded_by || loaded_by == getpid()) return OK;
  std::string behaviour = setting("FAKE_GPU_FORK");
  while (behaviour == "hang") sleep(1);
  return behaviour == "refuse" ? NOT_INITIALIZED : OK;
}

int begin() {
  auto visible = visible_gpus();
  if (visible.empty()) return NO_DEVICE;
  for (auto* gpu : visible) {
    if (!marked(Marker::lost, gpu->index)) continue;
    return static_cast<int>(number("FAKE_GPU_LOST_INIT", 999));
  }
  all_devices = new std::vector<Device>;
  for (auto* gpu : visible) all_devices->push_back({static_cast<int>(all_devices->size()), gpu});
  for (auto& device : *all_devices) device.default_stream = make_stream(&device, 0, 0);
  // As the real driver does: with these open, a process is one that has initialised CUDA.
  hold_device_file("nvidiactl");
  hold_device_file("nvidia-uvm");
  for (auto* gpu : visible) hold_device_file("nvidia" + std::to_string(gpu->index));
  if (verbose()) log("CUDA is initialised in this process");
  return OK;
}

}  // namespace

void driver_loaded() { loaded_by = getpid(); }

bool initialised() { return initialised_by == getpid(); }

int init() {
  if (initialised()) return OK;
  if (initialised_by) return NOT_INITIALIZED;  // CUDA does not survive a fork
  if (int error = forked_after_loading()) return error;
  HOLD;
  if (initialised()) return OK;
  if (int error = begin()) return error;
  initialised_by = getpid();
  return OK;
}

int init_runtime() {
  if (driver_version() < 13000) return INSUFFICIENT_DRIVER;
  return init();
}

int device_count() { return all_devices ? static_cast<int>(all_devices->size()) : 0; }

Device* device_at(int ordinal) {
  return ordinal >= 0 && ordinal < device_count() ? &(*all_devices)[ordinal] : nullptr;
}

Device* device_of(const Gpu* gpu) {
  for (auto& each : *all_devices) {
    if (each.gpu == gpu) return &each;
  }
  return nullptr;
}

Device* current_device() { return device_at(current); }

int set_current_device(int ordinal) {
  if (!device_at(ordinal)) return INVALID_DEVICE;
  current = ordinal;
  return OK;
}

void Device::use() {
  if (used) return;
  HOLD;
  if (used) return;
  used = true;
  begin_counting(gpu->index);
  tell_usage();
}

void Device::launch() {
  use();
  ++launched;
  count_launch(gpu->index);
  if (is_due("FAKE_GPU_LOST_AFTER", launched, gpu->index)) mark(Marker::lost, gpu->index);
  if (is_due("FAKE_GPU_HANG_AFTER", launched, gpu->index)) mark(Marker::hang, gpu->index);
}

int Device::trouble() {
  if (!sticky && marked(Marker::lost, gpu->index)) {
    sticky = static_cast<int>(number("FAKE_GPU_LOST_ERROR", 719));
    log("GPU %d has fallen off the bus", gpu->index);
  }
  return sticky;
}

bool Device::hangs() { return marked(Marker::hang, gpu->index); }

size_t Device::context_bytes() const {
  static size_t bytes = static_cast<size_t>(number("FAKE_GPU_CONTEXT_MB", 300)) << 20;
  return bytes;
}

// What other processes hold is not free either.
size_t Device::free_bytes() const {
  auto total = static_cast<size_t>(gpu->spec.memory_bytes);
  size_t taken = held_bytes + context_bytes();
  int own = getpid() + static_cast<int>(number("FAKE_GPU_PID_OFFSET", 0));
  for (auto& user : users(gpu->slot())) {
    if (user.pid != own) taken += user.bytes;
  }
  return taken < total ? total - taken : 0;
}

void tell_usage() {
  std::vector<std::pair<int, size_t>> bytes;
  for (auto& each : *all_devices) {
    if (each.used) bytes.emplace_back(each.gpu->slot(), each.held_bytes + each.context_bytes());
  }
  tell_memory(bytes);
}

}  // namespace fake
