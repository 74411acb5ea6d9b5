#include "cupti_records.h"

#include <pthread.h>
#include <unistd.h>

#include <string>

namespace fake {
namespace {

constexpr size_t rounded(size_t bytes) { return (bytes + 7) / 8 * 8; }

template <class Record>
Record* append(std::vector<char>& records, CUpti_ActivityKind kind) {
  size_t at = records.size();
  records.resize(at + rounded(sizeof(Record)), 0);
  auto* record = reinterpret_cast<Record*>(records.data() + at);
  record->kind = kind;
  return record;
}

// Records point to names for as long as the process lives.
const char* kept_name(const std::string& name) {
  static auto* names = new std::set<std::string>;
  return names->insert(name).first->c_str();
}

template <class Record>
void place(Record* record, const Activity& seen, const Clock& clock) {
  record->start = clock.stamp(seen.start_ns);
  record->end = clock.stamp(seen.end_ns);
  record->correlationId = seen.correlation;
}

template <class Record>
void place_on_gpu(Record* record, const Activity& seen, const Clock& clock) {
  place(record, seen, clock);
  record->deviceId = seen.device;
  record->contextId = seen.device + 1;
  record->streamId = seen.stream;
  record->graphId = seen.graph;
}

void add_call(std::vector<char>& records, const Activity& seen, const Clock& clock) {
  auto kind = seen.what == Seen::runtime_call ? CUPTI_ACTIVITY_KIND_RUNTIME
                                              : CUPTI_ACTIVITY_KIND_DRIVER;
  auto* record = append<CUpti_ActivityAPI>(records, kind);
  place(record, seen, clock);
  record->cbid = seen.callback_id;
  record->processId = static_cast<uint32_t>(getpid());
  record->threadId = static_cast<uint32_t>(pthread_self());
}

void add_kernel(std::vector<char>& records, const Activity& seen, const Clock& clock) {
  auto* record =
      append<CUpti_ActivityKernel10>(records, CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
  place_on_gpu(record, seen, clock);
  record->completed = record->end;
  record->gridX = static_cast<int32_t>(seen.grid[0]);
  record->gridY = static_cast<int32_t>(seen.grid[1]);
  record->gridZ = static_cast<int32_t>(seen.grid[2]);
  record->blockX = static_cast<int32_t>(seen.block[0]);
  record->blockY = static_cast<int32_t>(seen.block[1]);
  record->blockZ = static_cast<int32_t>(seen.block[2]);
  record->registersPerThread = 32;
  record->name = kept_name(seen.name);
}

void add_copy(std::vector<char>& records, const Activity& seen, const Clock& clock) {
  enum { TO_DEVICE = 1, TO_HOST = 2 };  // cudaMemcpyKind
  auto* record = append<CUpti_ActivityMemcpy6>(records, CUPTI_ACTIVITY_KIND_MEMCPY);
  place_on_gpu(record, seen, clock);
  record->bytes = seen.bytes;
  record->copyKind = seen.direction == TO_DEVICE ? CUPTI_ACTIVITY_MEMCPY_KIND_HTOD
                     : seen.direction == TO_HOST ? CUPTI_ACTIVITY_MEMCPY_KIND_DTOH
                                                 : CUPTI_ACTIVITY_MEMCPY_KIND_DTOD;
  auto host = CUPTI_ACTIVITY_MEMORY_KIND_PAGEABLE, device = CUPTI_ACTIVITY_MEMORY_KIND_DEVICE;
  record->srcKind = static_cast<uint8_t>(seen.direction == TO_DEVICE ? host : device);
  record->dstKind = static_cast<uint8_t>(seen.direction == TO_HOST ? host : device);
}

void add_fill(std::vector<char>& records, const Activity& seen, const Clock& clock) {
  auto* record = append<CUpti_ActivityMemset4>(records, CUPTI_ACTIVITY_KIND_MEMSET);
  place_on_gpu(record, seen, clock);
  record->bytes = seen.bytes;
  record->memoryKind = CUPTI_ACTIVITY_MEMORY_KIND_DEVICE;
}

void add_external_id(std::vector<char>& records, const Activity& seen, const Clock&) {
  auto* record = append<CUpti_ActivityExternalCorrelation>(
      records, CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION);
  record->externalKind = static_cast<CUpti_ExternalCorrelationKind>(seen.external_kind);
  record->externalId = seen.external_id;
  record->correlationId = seen.correlation;
}

bool listed(const std::set<uint32_t>& wanted, uint32_t callback_id) {
  return wanted.empty() || wanted.count(callback_id);
}

struct Kind {
  CUpti_ActivityKind kind;
  void (*add)(std::vector<char>&, const Activity&, const Clock&);
};

Kind kind_of(Seen what) {
  switch (what) {
    case Seen::runtime_call: return {CUPTI_ACTIVITY_KIND_RUNTIME, add_call};
    case Seen::driver_call: return {CUPTI_ACTIVITY_KIND_DRIVER, add_call};
    case Seen::kernel: return {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, add_kernel};
    case Seen::copy: return {CUPTI_ACTIVITY_KIND_MEMCPY, add_copy};
    case Seen::fill: return {CUPTI_ACTIVITY_KIND_MEMSET, add_fill};
    default: return {CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION, add_external_id};
  }
}

bool is_wanted(const Activity& seen, const Wanted& wanted) {
  if (!wanted.kinds.count(kind_of(seen.what).kind)) return false;
  if (seen.what == Seen::runtime_call) return listed(wanted.runtime_calls, seen.callback_id);
  if (seen.what == Seen::driver_call) return listed(wanted.driver_calls, seen.callback_id);
  return true;
}

}  // namespace

uint64_t Clock::stamp(int64_t ns) const {
  if (!registered) return static_cast<uint64_t>(ns);
  double rate = to_ns > from_ns ? static_cast<double>(to_stamp - from_stamp) /
                                      static_cast<double>(to_ns - from_ns)
                                : 1.0;
  return static_cast<uint64_t>(static_cast<double>(from_stamp) +
                               static_cast<double>(ns - from_ns) * rate);
}

size_t bytes_of(const CUpti_Activity* record) {
  switch (record->kind) {
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL: return rounded(sizeof(CUpti_ActivityKernel10));
    case CUPTI_ACTIVITY_KIND_MEMCPY: return rounded(sizeof(CUpti_ActivityMemcpy6));
    case CUPTI_ACTIVITY_KIND_MEMSET: return rounded(sizeof(CUpti_ActivityMemset4));
    case CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION:
      return rounded(sizeof(CUpti_ActivityExternalCorrelation));
    default: return rounded(sizeof(CUpti_ActivityAPI));
  }
}

std::vector<char> records_of(const std::vector<Activity>& all, const Wanted& wanted,
                             const Clock& clock) {
  std::vector<char> records;
  for (auto& seen : all) {
    if (is_wanted(seen, wanted)) kind_of(seen.what).add(records, seen, clock);
  }
  return records;
}

}  // namespace fake
