#include "machine.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <algorithm>
#include <sstream>

#include "settings.h"

namespace fake {
namespace {

constexpr int64_t GIB = 1ll << 30;
constexpr int MIB = 1 << 20;

// From NVIDIA's data sheets and the table of compute capabilities in the CUDA programming guide.
const Spec SPECS[] = {
    {"v100", "Fake V100-SXM2-16GB", 7, 0, 80, 16 * GIB, 1530000, 877000, 4096, 98304, 98304,
     6 * MIB, 2048, 65536, 300},
    {"t4", "Fake T4", 7, 5, 40, 15 * GIB, 1590000, 5001000, 256, 65536, 65536, 4 * MIB, 1024, 65536,
     70},
    {"a100", "Fake A100-SXM4-40GB", 8, 0, 108, 40 * GIB, 1410000, 1215000, 5120, 166912, 167936,
     40 * MIB, 2048, 65536, 400},
    {"h100", "Fake H100 80GB HBM3", 9, 0, 132, 80 * GIB, 1980000, 2619000, 5120, 232448, 233472,
     50 * MIB, 2048, 65536, 700},
    {"b200", "Fake B200", 10, 0, 148, 180 * GIB, 1965000, 3996000, 8192, 232448, 233472, 126 * MIB,
     2048, 65536, 1000},
};

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> found;
  std::stringstream stream(text);
  for (std::string each; std::getline(stream, each, ',');) {
    while (!each.empty() && isspace(each.front())) each.erase(each.begin());
    while (!each.empty() && isspace(each.back())) each.pop_back();
    found.push_back(each);
  }
  return found;
}

Spec spec_of(const std::string& kind) {
  Spec found = SPECS[2];
  for (auto& each : SPECS) {
    if (!strcasecmp(kind.c_str(), each.kind)) found = each;
  }
  int64_t megabytes = number("FAKE_GPU_MEMORY_MB", 0);
  if (megabytes > 0) found.memory_bytes = megabytes << 20;
  return found;
}

// FAKE_GPU_PARTS, such as "3g.20gb": each GPU is divided into as many parts of so many sevenths as
// there are. A seventh of an A100 has 14 multiprocessors (NVIDIA's MIG user guide).
void divide(Gpu& gpu) {
  std::string profile = setting("FAKE_GPU_PARTS");
  int sevenths = 0, gigabytes = 0;
  if (sscanf(profile.c_str(), "%dg.%dgb", &sevenths, &gigabytes) != 2 || sevenths < 1) return;
  for (int number = 0; number < 7 / sevenths; ++number) {
    Gpu part = gpu;
    part.parts.clear();
    part.profile = profile;
    part.part = number;
    part.spec.multiprocessors = 14 * sevenths;
    part.spec.memory_bytes = gigabytes * GIB;
    part.uuid[14] = static_cast<unsigned char>(number + 1);
    gpu.parts.push_back(part);
  }
}

// FAKE_GPU_SERIAL tells machines apart: GPUs of two machines have no UUID in common.
Gpu make_gpu(int index, const std::string& kind) {
  Gpu gpu{index, spec_of(kind), {0xfa, 0x4e, 0, 0, 0, 0, 0x40, 0, 0x80, 0}};
  auto serial = static_cast<uint32_t>(number("FAKE_GPU_SERIAL", 0));
  for (int i = 0; i < 4; ++i) gpu.uuid[10 + i] = serial >> (24 - 8 * i) & 0xff;
  gpu.uuid[15] = static_cast<unsigned char>(index);
  divide(gpu);
  return gpu;
}

// CUDA counts the fastest first unless told to count by the bus, as NVML always does.
std::vector<const Gpu*> in_cuda_order() {
  std::vector<const Gpu*> found;
  for (auto& each : gpus()) found.push_back(&each);
  if (setting("CUDA_DEVICE_ORDER") == "PCI_BUS_ID") return found;
  auto speed = [](const Gpu* gpu) {
    return int64_t{1} * gpu->spec.multiprocessors * gpu->spec.clock_khz;
  };
  std::stable_sort(found.begin(), found.end(),
                   [&](const Gpu* a, const Gpu* b) { return speed(a) > speed(b); });
  return found;
}

const Gpu* part_named(const std::string& uuid, const std::vector<const Gpu*>& all) {
  for (auto* gpu : all) {
    for (auto& part : gpu->parts) {
      if (!strcasecmp(part.uuid_text().c_str(), uuid.c_str())) return &part;
    }
  }
  return nullptr;
}

// An index, or the beginning of a UUID that only one GPU has, or a part's whole UUID; null where it
// names none.
const Gpu* named(const std::string& word, const std::vector<const Gpu*>& all) {
  if (!word.empty() && std::all_of(word.begin(), word.end(), isdigit)) {
    size_t index = strtoul(word.c_str(), nullptr, 10);
    return index < all.size() ? all[index] : nullptr;
  }
  if (!word.compare(0, 4, "MIG-")) return part_named(word, all);
  if (word.compare(0, 4, "GPU-")) return nullptr;
  const Gpu* found = nullptr;
  for (auto* each : all) {
    if (strncasecmp(each->uuid_text().c_str(), word.c_str(), word.size())) continue;
    if (found) return nullptr;
    found = each;
  }
  return found;
}

std::vector<const Gpu*> chosen_gpus() {
  auto all = in_cuda_order();
  const char* chosen = getenv("CUDA_VISIBLE_DEVICES");
  if (!chosen) return all;
  std::vector<const Gpu*> visible;
  for (auto& word : words(chosen)) {
    auto* gpu = named(word, all);
    if (!gpu) break;  // what follows a name that is none is hidden, as with "-1"
    if (std::count(visible.begin(), visible.end(), gpu)) return {};  // twice the same hides all
    visible.push_back(gpu);
  }
  return visible;
}

}  // namespace

int Gpu::slot() const { return is_part() ? 100 + 10 * index + part : index; }

std::string Gpu::name() const {
  return is_part() ? std::string(spec.name) + " MIG " + profile : spec.name;
}

std::string Gpu::uuid_text() const {
  std::string text = is_part() ? "MIG-" : "GPU-";
  for (int i = 0; i < 16; ++i) {
    char pair[3];
    snprintf(pair, sizeof pair, "%02x", uuid[i]);
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += pair;
  }
  return text;
}

int Gpu::pci_bus() const { return 0x3b + 0x10 * index; }

std::string Gpu::pci_text() const {
  char text[16];
  snprintf(text, sizeof text, "0000:%02X:00.0", pci_bus() & 0xff);
  return text;
}

const std::vector<Gpu>& gpus() {
  static const auto* all = [] {
    auto kinds = words(setting("FAKE_GPU").empty() ? "a100" : setting("FAKE_GPU"));
    auto count = std::clamp<int64_t>(number("FAKE_GPU_COUNT", kinds.size()), 0, 8);
    auto* made = new std::vector<Gpu>;
    for (int i = 0; i < count; ++i) made->push_back(make_gpu(i, kinds[i % kinds.size()]));
    return made;
  }();
  return *all;
}

std::vector<const Gpu*> visible_gpus() {
  auto visible = chosen_gpus();
  if (visible.empty() || (visible[0]->parts.empty() && !visible[0]->is_part())) return visible;
  return {visible[0]->is_part() ? visible[0] : &visible[0]->parts[0]};
}

int attribute(const Gpu& gpu, int which) {
  const Spec& spec = gpu.spec;
  switch (which) {                       // names as in enum cudaDeviceAttr
    case 1: return 1024;                 // MaxThreadsPerBlock
    case 2: case 3: return 1024;         // MaxBlockDimX, Y
    case 4: return 64;                   // MaxBlockDimZ
    case 5: return 2147483647;           // MaxGridDimX
    case 6: case 7: return 65535;        // MaxGridDimY, Z
    case 8: return 49152;                // MaxSharedMemoryPerBlock
    case 9: return 65536;                // TotalConstantMemory
    case 10: return 32;                  // WarpSize
    case 11: return 2147483647;          // MaxPitch
    case 12: return spec.registers_per_multiprocessor;  // MaxRegistersPerBlock
    case 13: return spec.clock_khz;      // ClockRate
    case 14: return 512;                 // TextureAlignment
    case 16: return spec.multiprocessors;
    case 19: return 1;                   // CanMapHostMemory
    case 31: return 1;                   // ConcurrentKernels
    case 33: return gpu.pci_bus();       // PciBusId
    case 36: return spec.memory_clock_khz;
    case 37: return spec.memory_bus_bits;
    case 38: return spec.l2_bytes;
    case 39: return spec.threads_per_multiprocessor;
    case 40: return 2;                   // AsyncEngineCount
    case 41: return 1;                   // UnifiedAddressing
    case 75: return spec.major;
    case 76: return spec.minor;
    case 78: return 1;                   // StreamPrioritiesSupported
    case 81: return spec.shared_bytes_per_multiprocessor;
    case 82: return spec.registers_per_multiprocessor;
    case 83: return 1;                   // ManagedMemory
    case 89: return 1;                   // ConcurrentManagedAccess
    case 95: return 1;                   // CooperativeLaunch
    case 97: return spec.shared_bytes_per_block;
    case 102: return 0;                  // VirtualMemoryManagement: no expandable segments here
    case 106: return spec.major >= 8 ? 32 : 16;  // MaxBlocksPerMultiprocessor
    case 111: return 1024;               // ReservedSharedMemoryPerBlock
    case 115: return 0;                  // MemoryPoolsSupported
    case 120: return spec.major >= 9;    // ClusterLaunch
    default: return 0;
  }
}

int driver_version() {
  static int version = static_cast<int>(number("FAKE_GPU_DRIVER", 13000));
  return version;
}

// From the release notes of CUDA: which driver came with it.
std::string driver_version_text() {
  int version = driver_version();
  if (version >= 13000) return "580.65.06";
  if (version >= 12040) return "550.54.14";
  if (version >= 11040) return "470.42.01";
  return "450.36.06";
}

}  // namespace fake
