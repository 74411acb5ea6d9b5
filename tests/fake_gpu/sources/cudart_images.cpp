// A fat binary holds an image for each architecture: machine code, which runs on GPUs of the same
// major capability and no lower minor one, or PTX, which the driver compiles for anything newer.
// The layout is in no header of NVIDIA's; what is read here was seen in torch's own libraries.
#include "cudart_images.h"

#include <stdint.h>
#include <string.h>

#include <mutex>
#include <unordered_map>
#include <vector>

namespace fake {
namespace {

constexpr uint32_t WRAPPER_MAGIC = 0x466243b1, BINARY_MAGIC = 0xba55ed50;
constexpr uint16_t PTX = 1, MACHINE_CODE = 2;

struct Wrapper {
  uint32_t magic, version;
  const char* binary;
};

struct Header {
  uint32_t magic;
  uint16_t version, header_bytes;
  uint64_t bytes;  // of all entries
};

struct Entry {
  uint16_t kind, attributes;
  uint32_t header_bytes;
  uint64_t bytes;
  uint32_t compressed_bytes, unknown;
  uint16_t minor_version, major_version;
  uint32_t architecture;
};

struct Image {
  uint16_t kind;
  int architecture;
};

std::vector<Image> read(const void* address) {
  Wrapper wrapper;
  memcpy(&wrapper, address, sizeof wrapper);
  if (wrapper.magic != WRAPPER_MAGIC || !wrapper.binary) return {};
  Header header;
  memcpy(&header, wrapper.binary, sizeof header);
  if (header.magic != BINARY_MAGIC) return {};
  std::vector<Image> images;
  const char* at = wrapper.binary + header.header_bytes;
  const char* end = at + header.bytes;
  while (at + sizeof(Entry) <= end) {
    Entry entry;
    memcpy(&entry, at, sizeof entry);
    if (!entry.header_bytes) break;
    images.push_back({entry.kind, static_cast<int>(entry.architecture)});
    at += entry.header_bytes + entry.bytes;
  }
  return images;
}

bool runs_on(const Image& image, const Spec& spec) {
  int own = spec.major * 10 + spec.minor;
  if (image.kind == PTX) return image.architecture <= own;
  if (image.kind != MACHINE_CODE) return false;
  return image.architecture / 10 == spec.major && image.architecture <= own;
}

// Read when a kernel is first launched: reading all when torch is loaded would take whole files.
const std::vector<Image>& images_of(const void* wrapper) {
  static std::mutex mutex;
  static auto* known = new std::unordered_map<const void*, std::vector<Image>>;
  std::lock_guard<std::mutex> hold(mutex);
  auto [found, is_new] = known->try_emplace(wrapper);
  if (is_new) found->second = read(wrapper);
  return found->second;
}

}  // namespace

bool has_image_for(const void* wrapper, const Spec& spec) {
  auto& images = images_of(wrapper);
  for (auto& image : images) {
    if (runs_on(image, spec)) return true;
  }
  return images.empty();
}

}  // namespace fake
