#pragma once

#include <optional>
#include <string>
#include <vector>

#include "job/stock.h"

// The decisions of the Job controller. Pure: no I/O, no clock.
namespace mk::controller::job {

// Has the Job reached its end, and which?
struct Verdict {
  enum class Kind { kNone, kSuccess, kFailure };
  Kind kind = Kind::kNone;
  std::string reason, message;
  explicit operator bool() const { return kind != Kind::kNone; }
};
Verdict judge(const api::Json& job, const Stock& stock, rt::WallTime now);
// True once it is final: Complete or Failed.
bool finished(const api::Json& job);
// Until activeDeadlineSeconds have passed; nullopt without such a limit, or while it does not run.
std::optional<rt::Duration> deadline_in(const api::Json& job, rt::WallTime now);

// What to do about the number of pods.
struct Todo {
  std::vector<std::int64_t> create;  // one element a pod: its index (any number for NonIndexed)
  std::vector<api::Object> remove;
  std::optional<rt::Duration> wait;  // more may be created then
};
Todo plan(const api::Json& job, const Stock& stock, rt::WallTime now);

// After `failures` in a row: 10 s, 20 s, 40 s ... six minutes.
rt::Duration backoff_after(std::int64_t failures);

// The pod for an index (ignored for NonIndexed).
api::Json make_pod(const api::Object& job, const Stock& stock, std::int64_t index);

}  // namespace mk::controller::job
