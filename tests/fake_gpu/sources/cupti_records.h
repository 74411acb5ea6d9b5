// What was seen, as records of CUPTI's activity API.
#pragma once

#include <cupti.h>

#include <set>
#include <vector>

#include "profile.h"

namespace fake {

// What a session asked for.
struct Wanted {
  std::set<int> kinds;
  std::set<uint32_t> runtime_calls, driver_calls;  // empty: all
};

// Turns a moment of the monotonic clock into one of the clock that the profiler registered.
struct Clock {
  int64_t from_ns = 0, to_ns = 0;         // the monotonic clock when the session began, and now
  uint64_t from_stamp = 0, to_stamp = 0;  // the profiler's clock at those moments
  bool registered = false;

  uint64_t stamp(int64_t ns) const;
};

size_t bytes_of(const CUpti_Activity* record);
std::vector<char> records_of(const std::vector<Activity>& seen, const Wanted& wanted,
                             const Clock& clock);

}  // namespace fake
