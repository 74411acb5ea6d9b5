// What outlives a process and is shared by all that use the machine: the state folder. Its files:
//   shared          launches per GPU, in memory that every process maps
//   lost, hang      markers for all GPUs; lost.1, hang.1 for one
//   throttle        the schedule in force, before FAKE_GPU_THROTTLE; throttle.1 for one GPU
//   processes/PID   "SLOT BYTES" per line: what a process holds, written by itself
//   foreign/PID     the same of a process that a test makes up
//   dev/nvidia...   held open where the real driver holds /dev/nvidia... open
//   missing         functions that were called and that the fake lacks
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace fake {

void append_to_state(const char* file, const std::string& text);

// Launches on a GPU since the process that came to it last began to use it.
void begin_counting(int gpu);
void count_launch(int gpu);
uint64_t launches(int gpu);

enum class Marker { lost, hang };
bool marked(Marker what, int gpu);
void mark(Marker what, int gpu);

// NVML's reasons for clocks that are not at their highest, and by how much kernels take longer.
uint64_t throttle_bits(int gpu);
double slowdown(int gpu);

// Slots are GPUs or parts of one: Gpu::slot().
struct User {
  int pid;
  size_t bytes;
};
std::vector<User> users(int slot);
void tell_memory(const std::vector<std::pair<int, size_t>>& bytes_by_slot);

// Keeps STATE/dev/NAME open until the process ends. Returns its descriptor, -1 without a folder.
int hold_device_file(const std::string& name);

}  // namespace fake
