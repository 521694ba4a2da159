#include "kit/expectations.h"

namespace mk::controller {
namespace {
// Longer than any watch is expected to lag; Kubernetes' figure.
constexpr auto kExpiry = std::chrono::minutes(5);
}  // namespace

void Expectations::expect_creations(const api::Key& owner, int count) {
  Pending pending;
  pending.creations = count;
  pending.since = clock_.mono();
  pending_[owner] = std::move(pending);
}

void Expectations::expect_deletions(const api::Key& owner, std::set<std::string> uids) {
  Pending pending;
  pending.deletions = std::move(uids);
  pending.since = clock_.mono();
  pending_[owner] = std::move(pending);
}

void Expectations::creation_seen(const api::Key& owner, int count) {
  const auto found = pending_.find(owner);
  if (found != pending_.end()) found->second.creations -= count;
}

void Expectations::deletion_seen(const api::Key& owner, const std::string& uid) {
  const auto found = pending_.find(owner);
  if (found != pending_.end()) found->second.deletions.erase(uid);
}

bool Expectations::satisfied(const api::Key& owner) const {
  const auto found = pending_.find(owner);
  if (found == pending_.end()) return true;
  const auto& pending = found->second;
  if (pending.creations <= 0 && pending.deletions.empty()) return true;
  return clock_.mono() - pending.since > kExpiry;
}

}  // namespace mk::controller
