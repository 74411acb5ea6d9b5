// What a profiler would have seen: kept while CUPTI listens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fake {

enum class Seen { runtime_call, driver_call, kernel, copy, fill, external_id };

struct Activity {
  Seen what{};
  uint32_t callback_id = 0;  // which API function, as CUPTI numbers them
  std::string name;
  int64_t start_ns = 0, end_ns = 0;
  uint32_t correlation = 0;  // the same for a call and for what it made the GPU do
  uint32_t device = 0, stream = 0, graph = 0;
  size_t bytes = 0;
  int direction = 0;  // of a copy: cudaMemcpyKind
  unsigned grid[3] = {}, block[3] = {};
  int external_kind = 0;  // CUpti_ExternalCorrelationKind
  uint64_t external_id = 0;
};

// What a profiler has on its stack while a call is made: an operator, or a label of the user.
struct ExternalId {
  int kind;
  uint64_t value;
};

extern bool tracing;
extern void (*before_activity)();  // CUPTI asks for a buffer before the first one
std::vector<Activity>& activities();
void keep(const Activity& activity);
extern thread_local std::vector<ExternalId> external_ids;

// One call of an API function, from construction to destruction.
struct Call {
  uint32_t correlation;
  int64_t start_ns;
  uint32_t callback_id;
  Seen what;

  Call(Seen what, uint32_t callback_id);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
};

uint32_t next_correlation();

}  // namespace fake
