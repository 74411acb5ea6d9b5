// The GPU's memory is the host's: device pointers are host addresses that nothing else uses.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stream.h"

namespace fake {

struct Block {
  uintptr_t start = 0;
  size_t bytes = 0;
  Device* device = nullptr;
};

int allocate(void** pointer, size_t bytes);
int release(void* pointer);
Block block_of(const void* pointer);  // without a device where it is no GPU's memory
bool is_device(const void* pointer);

struct Copy {
  void* to;
  const void* from;
  size_t bytes;
  int direction;  // cudaMemcpyKind
  bool waits;     // whether the host waits for its end
};
int copy(const Copy& copy, Stream* stream, uint32_t correlation);

// Fills `count` units of `width` bytes.
int fill(void* to, int value, size_t width, size_t count, Stream* stream, uint32_t correlation);

}  // namespace fake
