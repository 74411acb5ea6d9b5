#include "memory.h"

#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <map>

#include "settings.h"

namespace fake {
namespace {

enum Direction { HOST_TO_HOST, TO_DEVICE, TO_HOST, ON_DEVICE, BY_ADDRESS };  // cudaMemcpyKind

constexpr size_t PAGE_BYTES = 4096;

std::map<uintptr_t, Block>& blocks() {
  static auto* all = new std::map<uintptr_t, Block>;
  return *all;
}

// No kernel computes anything. What the host reads of a larger buffer is therefore made up, the
// same for every buffer of one size, so that two programs agree and outputs vary. It is finite as
// float16, bfloat16, float32 and float64 alike: each two bytes are a moderate number by themselves.
void make_up(void* to, size_t bytes) {
  auto* halves = static_cast<uint16_t*>(to);
  uint64_t state = bytes * 0x9E3779B97F4A7C15ull + 1;
  for (size_t i = 0; i < bytes / 2; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;  // Knuth's MMIX generator
    halves[i] = static_cast<uint16_t>(0x3f00u | (state >> 57) | (state >> 48 & 0x8000u));
  }
}

// Scalars that a program decides by (a flag, a count) stay what was last written there.
bool is_made_up(size_t bytes) {
  static int64_t from = number("FAKE_GPU_MADE_UP_FROM", 16);
  return from > 0 && static_cast<int64_t>(bytes) >= from;
}

int direction_of(const Copy& copy) {
  if (copy.direction != BY_ADDRESS) return copy.direction;
  bool to = is_device(copy.to), from = is_device(copy.from);
  if (from) return to ? ON_DEVICE : TO_HOST;
  return to ? TO_DEVICE : HOST_TO_HOST;
}

// Twelve gigabytes a second over the bus, half a terabyte within the GPU, and a start.
int64_t copy_ns(size_t bytes, int direction) {
  return 2000 + static_cast<int64_t>(bytes / (direction == ON_DEVICE ? 500 : 12));
}

}  // namespace

Block block_of(const void* pointer) {
  HOLD;
  auto address = reinterpret_cast<uintptr_t>(pointer);
  auto next = blocks().upper_bound(address);
  if (next == blocks().begin()) return {};
  const Block& block = (--next)->second;
  return address < block.start + block.bytes ? block : Block{};
}

bool is_device(const void* pointer) { return block_of(pointer).device != nullptr; }

int allocate(void** pointer, size_t bytes) {
  *pointer = nullptr;
  if (!bytes) return OK;
  Device* device = current_device();
  if (int error = device->trouble()) return error;
  if (lists("FAKE_GPU_OOM_AT", "capture") && any_capture()) return OUT_OF_MEMORY;
  HOLD;
  device->use();
  size_t size = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
  if (size > device->free_bytes()) return OUT_OF_MEMORY;
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return OUT_OF_MEMORY;
  auto start = reinterpret_cast<uintptr_t>(at);
  blocks()[start] = {start, size, device};
  device->held_bytes += size;
  tell_usage();
  *pointer = at;
  return OK;
}

int release(void* pointer) {
  if (!pointer) return OK;
  HOLD;
  auto found = blocks().find(reinterpret_cast<uintptr_t>(pointer));
  if (found == blocks().end()) return INVALID_VALUE;
  Block block = found->second;
  if (int error = synchronize_device(block.device)) return error;
  munmap(pointer, block.bytes);
  block.device->held_bytes -= block.bytes;
  blocks().erase(found);
  tell_usage();
  return OK;
}

int copy(const Copy& copy, Stream* stream, uint32_t correlation) {
  if (!copy.bytes) return OK;
  int direction = direction_of(copy);
  if (direction == TO_DEVICE && !is_device(copy.to)) log("a copy to %p: no GPU's memory", copy.to);
  if (direction == TO_HOST && !is_device(copy.from)) {
    log("a copy from %p: no GPU's memory", copy.from);
  }
  Node node{Work::copy, "", copy_ns(copy.bytes, direction), copy.bytes, direction};
  if (stream->capture != Capture::none) return enqueue(stream, node, correlation);
  if (int error = stream->device->trouble()) return error;
  memmove(copy.to, copy.from, copy.bytes);
  if (direction == TO_HOST && is_made_up(copy.bytes)) make_up(copy.to, copy.bytes);
  if (int error = enqueue(stream, node, correlation)) return error;
  bool waits = copy.waits || direction == TO_HOST || direction == HOST_TO_HOST;
  return waits ? wait_until(stream->device, stream->free_ns) : OK;
}

// Zeros of whole pages come from the kernel, which has them at hand: whoever times kernels writes
// zeros over the whole of the L2 cache before each launch, a hundred times for each kernel.
static void write_zeros(void* to, size_t bytes) {
  auto begin = reinterpret_cast<uintptr_t>(to), end = begin + bytes;
  auto first = (begin + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
  auto last = end / PAGE_BYTES * PAGE_BYTES;
  if (first >= last || madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED)) {
    memset(to, 0, bytes);
    return;
  }
  memset(to, 0, first - begin);
  memset(reinterpret_cast<void*>(last), 0, end - last);
}

int fill(void* to, int value, size_t width, size_t count, Stream* stream, uint32_t correlation) {
  size_t bytes = width * count;
  Node node{Work::fill, "", 1500 + static_cast<int64_t>(bytes / 1000), bytes};
  if (stream->capture != Capture::none) return enqueue(stream, node, correlation);
  if (int error = stream->device->trouble()) return error;
  if (!is_device(to)) log("a memset of %p: no GPU's memory", to);
  if (value == 0 && is_device(to)) {
    write_zeros(to, bytes);
    return enqueue(stream, node, correlation);
  }
  if (width == 1) memset(to, value, count);
  if (width == 2) std::fill_n(static_cast<uint16_t*>(to), count, static_cast<uint16_t>(value));
  if (width == 4) std::fill_n(static_cast<uint32_t*>(to), count, static_cast<uint32_t>(value));
  return enqueue(stream, node, correlation);
}

}  // namespace fake
