// libnvidia-ml.so.1. Its header comes only with a CUDA toolkit or a driver, so the prototypes are
// written down here, as nvidia-ml-py calls them. A GPU's handle points to its entry in gpus().
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <algorithm>
#include <string>
#include <vector>

#include "nvml_state.h"
#include "settings.h"
#include "state.h"

using namespace fake;

namespace {

using Handle = const Gpu*;

int init() {
  int error = nvml_init_error();
  if (error) return error;
  static bool held = false;
  // As the real library does: it talks to the driver through the same files as CUDA, but for
  // nvidia-uvm, which is CUDA's alone.
  if (!held) hold_device_file("nvidiactl");
  held = true;
  return NVML_SUCCESS;
}

// A GPU that is lost answers nothing.
int check(Handle gpu) {
  if (!gpu) return NVML_INVALID_ARGUMENT;
  return marked(Marker::lost, gpu->index) ? NVML_GPU_IS_LOST : NVML_SUCCESS;
}

// What a GPU has as a whole, a part of it is not asked for.
int check_whole(Handle gpu) {
  if (int error = check(gpu)) return error;
  return gpu->is_part() ? NVML_NOT_SUPPORTED : NVML_SUCCESS;
}

int give(Handle gpu, Handle* found) {
  *found = gpu;
  return check(gpu);
}

int find(Handle* found, bool (*is_meant)(const Gpu&, const char*), const char* by) {
  for (auto& gpu : gpus()) {
    if (is_meant(gpu, by)) return give(&gpu, found);
    for (auto& part : gpu.parts) {
      if (is_meant(part, by)) return give(&part, found);
    }
  }
  return NVML_NOT_FOUND;
}

int copy_text(const std::string& text, char* into, unsigned length) {
  if (text.size() >= length) return NVML_INSUFFICIENT_SIZE;
  strcpy(into, text.c_str());
  return NVML_SUCCESS;
}

#define NEEDS_GPU(gpu) \
  if (int error_ = check(gpu)) return error_
#define NEEDS_WHOLE(gpu) \
  if (int error_ = check_whole(gpu)) return error_

}  // namespace

extern "C" {

int nvmlInit() { return init(); }
int nvmlInit_v2() { return init(); }
int nvmlInitWithFlags(unsigned) { return init(); }
int nvmlShutdown() { return NVML_SUCCESS; }
const char* nvmlErrorString(int error) { return nvml_error_text(error); }

int nvmlSystemGetDriverVersion(char* text, unsigned length) {
  return copy_text(driver_version_text(), text, length);
}

int nvmlSystemGetNVMLVersion(char* text, unsigned length) {
  return copy_text("13." + driver_version_text(), text, length);
}

int nvmlSystemGetCudaDriverVersion(int* version) {
  *version = driver_version();
  return NVML_SUCCESS;
}

int nvmlSystemGetCudaDriverVersion_v2(int* version) {
  return nvmlSystemGetCudaDriverVersion(version);
}

int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = static_cast<unsigned>(gpus().size());
  return NVML_SUCCESS;
}

int nvmlDeviceGetCount(unsigned* count) { return nvmlDeviceGetCount_v2(count); }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Handle* found) {
  if (index >= gpus().size()) return NVML_INVALID_ARGUMENT;
  *found = &gpus()[index];
  return check(*found);
}

int nvmlDeviceGetHandleByIndex(unsigned index, Handle* found) {
  return nvmlDeviceGetHandleByIndex_v2(index, found);
}

int nvmlDeviceGetHandleByUUID(const char* uuid, Handle* found) {
  auto is_meant = [](const Gpu& gpu, const char* by) { return gpu.uuid_text() == by; };
  return find(found, is_meant, uuid);
}

// The domain may have four digits or eight.
int nvmlDeviceGetHandleByPciBusId_v2(const char* id, Handle* found) {
  auto is_meant = [](const Gpu& gpu, const char* by) {
    std::string own = gpu.pci_text();
    size_t length = strlen(by);
    return length >= own.size() && !strcasecmp(by + length - own.size(), own.c_str());
  };
  return find(found, is_meant, id);
}

int nvmlDeviceGetIndex(Handle gpu, unsigned* index) {
  NEEDS_GPU(gpu);
  *index = static_cast<unsigned>(gpu->index);
  return NVML_SUCCESS;
}

int nvmlDeviceGetUUID(Handle gpu, char* text, unsigned length) {
  NEEDS_GPU(gpu);
  return copy_text(gpu->uuid_text(), text, length);
}

int nvmlDeviceGetName(Handle gpu, char* text, unsigned length) {
  NEEDS_GPU(gpu);
  return copy_text(gpu->name(), text, length);
}

int nvmlDeviceGetCudaComputeCapability(Handle gpu, int* major, int* minor) {
  NEEDS_GPU(gpu);
  *major = gpu->spec.major;
  *minor = gpu->spec.minor;
  return NVML_SUCCESS;
}

int nvmlDeviceGetMaxClockInfo(Handle gpu, int clock, unsigned* mhz) {
  NEEDS_WHOLE(gpu);
  constexpr int MEMORY = 2;
  int khz = clock == MEMORY ? gpu->spec.memory_clock_khz : gpu->spec.clock_khz;
  *mhz = static_cast<unsigned>(khz / 1000);
  return NVML_SUCCESS;
}

// A GPU that throttles runs as much slower as its kernels take longer.
int nvmlDeviceGetClockInfo(Handle gpu, int clock, unsigned* mhz) {
  int error = nvmlDeviceGetMaxClockInfo(gpu, clock, mhz);
  constexpr int SM = 1;
  if (!error && clock <= SM) *mhz = static_cast<unsigned>(*mhz / slowdown(gpu->index));
  return error;
}

int nvmlDeviceGetTemperature(Handle gpu, int, unsigned* celsius) {
  NEEDS_WHOLE(gpu);
  *celsius = celsius_of(*gpu);
  return NVML_SUCCESS;
}

struct Temperature {
  unsigned version;
  int sensor;
  int celsius;
};

int nvmlDeviceGetTemperatureV(Handle gpu, Temperature* found) {
  NEEDS_WHOLE(gpu);
  found->celsius = static_cast<int>(celsius_of(*gpu));
  return NVML_SUCCESS;
}

int nvmlDeviceGetPowerUsage(Handle gpu, unsigned* milliwatts) {
  NEEDS_WHOLE(gpu);
  *milliwatts = milliwatts_of(*gpu);
  return NVML_SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(Handle gpu, unsigned long long* millijoules) {
  NEEDS_WHOLE(gpu);
  double seconds = static_cast<double>(now_ns()) / 1e9;
  *millijoules = static_cast<unsigned long long>(seconds * milliwatts_of(*gpu));
  return NVML_SUCCESS;
}

int nvmlDeviceGetCurrentClocksEventReasons(Handle gpu, unsigned long long* bits) {
  NEEDS_WHOLE(gpu);
  *bits = throttle_bits(gpu->index);
  return NVML_SUCCESS;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(Handle gpu, unsigned long long* bits) {
  return nvmlDeviceGetCurrentClocksEventReasons(gpu, bits);
}

struct Utilization {
  unsigned gpu_percent, memory_percent;
};

int nvmlDeviceGetUtilizationRates(Handle gpu, Utilization* found) {
  NEEDS_WHOLE(gpu);
  *found = {50, 25};
  return NVML_SUCCESS;
}

struct Memory {
  unsigned long long total, free, used;
};

int nvmlDeviceGetMemoryInfo(Handle gpu, Memory* found) {
  NEEDS_GPU(gpu);
  found->total = static_cast<unsigned long long>(gpu->spec.memory_bytes);
  found->used = std::min<unsigned long long>(used_bytes(*gpu), found->total);
  found->free = found->total - found->used;
  return NVML_SUCCESS;
}

struct Process {
  unsigned pid, padding;
  unsigned long long bytes;
  unsigned gpu_instance, compute_instance;  // of a MIG part: all ones where there is none
};

struct OlderProcess {
  unsigned pid, padding;
  unsigned long long bytes;
};

int nvmlDeviceGetComputeRunningProcesses_v3(Handle gpu, unsigned* count, Process* found) {
  NEEDS_GPU(gpu);
  auto all = all_users(*gpu);
  auto room = found ? *count : 0;
  for (size_t i = 0; i < all.size() && i < room; ++i) {
    found[i] = {static_cast<unsigned>(all[i].pid), 0, all[i].bytes, all[i].part, all[i].part};
  }
  *count = static_cast<unsigned>(all.size());
  return all.size() > room ? NVML_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v2(Handle gpu, unsigned* count, Process* found) {
  return nvmlDeviceGetComputeRunningProcesses_v3(gpu, count, found);
}

int nvmlDeviceGetComputeRunningProcesses(Handle gpu, unsigned* count, OlderProcess* found) {
  std::vector<Process> all(found ? *count : 0);
  auto room = all.size();
  int error = nvmlDeviceGetComputeRunningProcesses_v3(gpu, count, all.data());
  for (size_t i = 0; !error && i < *count && i < room; ++i) {
    found[i] = {all[i].pid, 0, all[i].bytes};
  }
  return error;
}

int nvmlDeviceGetMigMode(Handle gpu, unsigned* current, unsigned* pending) {
  NEEDS_WHOLE(gpu);
  *current = *pending = !gpu->parts.empty();
  return NVML_SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(Handle gpu, unsigned* count) {
  NEEDS_WHOLE(gpu);
  *count = gpu->parts.empty() ? 0 : 7;
  return NVML_SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Handle gpu, unsigned index, Handle* found) {
  NEEDS_WHOLE(gpu);
  return index < gpu->parts.size() ? give(&gpu->parts[index], found) : NVML_NOT_FOUND;
}

int nvmlDeviceIsMigDeviceHandle(Handle gpu, unsigned* is_part) {
  NEEDS_GPU(gpu);
  *is_part = gpu->is_part();
  return NVML_SUCCESS;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Handle part, Handle* found) {
  NEEDS_GPU(part);
  return part->is_part() ? give(&gpus()[part->index], found) : NVML_INVALID_ARGUMENT;
}

// These GPUs have no links to each other and belong to no fabric.
int nvmlDeviceGetNvLinkRemoteDeviceType(Handle, unsigned, unsigned*) { return NVML_NOT_SUPPORTED; }
int nvmlDeviceGetNvLinkRemotePciInfo_v2(Handle, unsigned, void*) { return NVML_NOT_SUPPORTED; }
int nvmlDeviceGetGpuFabricInfoV(Handle, void*) { return NVML_NOT_SUPPORTED; }

}  // extern "C"
