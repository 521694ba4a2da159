#include "cluster/gone.h"

#include <fmt/format.h>

#include "cluster/watch.h"

namespace mk::kubectl {

using api::Json;

Deadline deadline_after(Session& session, rt::Duration limit) {
  if (limit.count() == 0) return std::nullopt;
  return session.clock().mono() + limit;
}

std::optional<rt::Duration> time_left(Session& session, const Deadline& deadline) {
  if (!deadline) return std::nullopt;
  return std::max(rt::Duration(0), *deadline - session.clock().mono());
}

namespace {

Error timed_out(const Target& target) {
  return Error(Reason::kTimeout, fmt::format("timed out waiting for the condition on {}/{}",
                                             target.resource->gvr.resource, target.name));
}

// True once a watch from `version` on has seen the object go.
Result<bool> watch_deletion(Session& session, const Target& target, const std::string& uid,
                            const std::string& version, const Deadline& deadline) {
  Target collection = target;
  collection.name.clear();
  Watcher watcher(session, collection.path() + "?fieldSelector=metadata.name=" + target.name, version);
  for (;;) {
    auto event = watcher.next(time_left(session, deadline));
    if (!event && event.error().is(Reason::kTimeout)) return timed_out(target);
    if (!event) return std::move(event).error();
    if (!*event) return false;
    if ((*event)->type == "DELETED" || api::str((*event)->object, "metadata.uid") != uid) return true;
  }
}

}  // namespace

Result<void> wait_until_gone(Session& session, const Target& target, std::string uid,
                             const Deadline& deadline) {
  for (;;) {
    auto live = session.get(target.path());
    if (!live && live.error().is(Reason::kNotFound)) return ok();
    if (!live) return std::move(live).error();
    const std::string now(api::str(*live, "metadata.uid"));
    if (uid.empty()) uid = now;
    if (now != uid) return ok();
    MK_ASSIGN(const bool gone,
              watch_deletion(session, target, uid, std::string(api::str(*live, "metadata.resourceVersion")),
                             deadline));
    if (gone) return ok();
    session.sleep(std::chrono::milliseconds(200));
  }
}

}  // namespace mk::kubectl
