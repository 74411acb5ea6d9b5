#include "profile.h"

#include <atomic>
#include <map>

#include "device.h"
#include "settings.h"

namespace fake {

bool tracing = false;
void (*before_activity)() = nullptr;
thread_local std::vector<ExternalId> external_ids;

std::vector<Activity>& activities() {
  static auto* kept = new std::vector<Activity>;
  return *kept;
}

void keep(const Activity& activity) {
  if (before_activity) before_activity();
  activities().push_back(activity);
}

uint32_t next_correlation() {
  static std::atomic<uint32_t> last{0};
  return ++last;
}

Call::Call(Seen what_, uint32_t callback_id_)
    : correlation(next_correlation()),
      start_ns(tracing ? now_ns() : 0),
      callback_id(callback_id_),
      what(what_) {}

Call::~Call() {
  if (!tracing) return;
  HOLD;
  Activity call;
  call.what = what;
  call.callback_id = callback_id;
  call.start_ns = start_ns;
  call.end_ns = now_ns();
  call.correlation = correlation;
  keep(call);
  // Of each kind the innermost: one tells of operators, another of labels that a user sets.
  std::map<int, uint64_t> innermost;
  for (const ExternalId& id : external_ids) innermost[id.kind] = id.value;
  call.what = Seen::external_id;
  for (const auto& [kind, value] : innermost) {
    call.external_kind = kind;
    call.external_id = value;
    keep(call);
  }
}

}  // namespace fake
