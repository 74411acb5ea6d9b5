// The hardware that is posed as: which GPUs the machine has, and which of them a process sees.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fake {

struct Spec {
  const char* kind;  // how FAKE_GPU names it
  const char* name;  // begins with "Fake", so that no number is ever mistaken for a real one's
  int major, minor;  // compute capability
  int multiprocessors;
  int64_t memory_bytes;
  int clock_khz, memory_clock_khz, memory_bus_bits;
  int shared_bytes_per_block;  // after opting in
  int shared_bytes_per_multiprocessor;
  int l2_bytes;
  int threads_per_multiprocessor;
  int registers_per_multiprocessor;
  int power_w;
};

// A GPU, or a part of one that MIG made.
struct Gpu {
  int index;  // in the order of the bus, as NVML and nvidia-smi count; a part has its GPU's
  Spec spec;
  unsigned char uuid[16];
  std::string profile = {};      // of a part: "3g.20gb"
  int part = -1;                 // its number among the parts of the GPU
  std::vector<Gpu> parts = {};

  bool is_part() const { return part >= 0; }
  int slot() const;               // under which what processes hold of it is written down
  std::string name() const;       // "Fake A100-SXM4-40GB MIG 3g.20gb" of a part
  std::string uuid_text() const;  // "GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "MIG-" of a part
  int pci_bus() const;
  std::string pci_text() const;  // "0000:3B:00.0"
};

// All GPUs: FAKE_GPU names kinds, separated by commas, and FAKE_GPU_COUNT says how many there are.
const std::vector<Gpu>& gpus();

// Those that CUDA_VISIBLE_DEVICES leaves to this process, in the order in which CUDA counts them.
// Where GPUs are divided, a process sees one part.
std::vector<const Gpu*> visible_gpus();

// What cudaDeviceGetAttribute and cuDeviceGetAttribute say: both number the attributes alike.
int attribute(const Gpu& gpu, int which);

// The highest version of CUDA that the driver knows: 13000 is 13.0. FAKE_GPU_DRIVER.
int driver_version();
std::string driver_version_text();  // the driver's own number

}  // namespace fake
