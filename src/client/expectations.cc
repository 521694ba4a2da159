#include "mk/client/expectations.h"

namespace mk::client {

constexpr auto kExpiry = std::chrono::minutes(5);

void Expectations::expect_creations(const std::string& key, int count) {
  Entry& entry = entries_[key];
  entry.creations = std::max(entry.creations, 0) + count;
  entry.since = clock_.mono();
}

void Expectations::expect_deletions(const std::string& key, const std::vector<std::string>& uids) {
  Entry& entry = entries_[key];
  entry.deletions.insert(uids.begin(), uids.end());
  entry.since = clock_.mono();
}

void Expectations::creation_observed(const std::string& key) {
  const auto found = entries_.find(key);
  if (found != entries_.end() && found->second.creations > 0) --found->second.creations;
}

void Expectations::deletion_observed(const std::string& key, const std::string& uid) {
  const auto found = entries_.find(key);
  if (found != entries_.end()) found->second.deletions.erase(uid);
}

bool Expectations::satisfied(const std::string& key) const {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return true;
  const Entry& entry = found->second;
  return (entry.creations == 0 && entry.deletions.empty()) || clock_.mono() - entry.since > kExpiry;
}

void Expectations::forget(const std::string& key) {
  entries_.erase(key);
}

}  // namespace mk::client
