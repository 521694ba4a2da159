#pragma once

#include "cluster/targets.h"

namespace mk::kubectl {

using Deadline = std::optional<rt::MonoTime>;

// nullopt (no end) for a limit of zero.
Deadline deadline_after(Session& session, rt::Duration limit);
// What is left; zero when it has passed, nullopt without an end.
std::optional<rt::Duration> time_left(Session& session, const Deadline& deadline);

// Until the object is absent or another one (a new uid) has taken its name; kTimeout after the deadline.
Result<void> wait_until_gone(Session& session, const Target& target, std::string uid,
                             const Deadline& deadline);

}  // namespace mk::kubectl
