#include <algorithm>

#include "upstream.h"

namespace mk::dns {

namespace {

constexpr std::uint32_t kKeepMax = 300, kNegativeMax = 30;

// The last field of an SOA record's data.
std::uint32_t soa_minimum(const Record& soa) {
  if (soa.rdata.size() < 4) return 0;
  std::uint32_t value = 0;
  for (char c : soa.rdata.substr(soa.rdata.size() - 4)) value = value << 8 | static_cast<std::uint8_t>(c);
  return std::min(value, soa.ttl);
}

void age(std::vector<Record>& records, std::uint32_t seconds) {
  for (auto& record : records) record.ttl -= std::min(record.ttl, seconds);
}

}  // namespace

std::uint32_t cache_seconds(const Message& message) {
  if (message.truncated || (message.rcode != kNoError && message.rcode != kNxDomain)) return 0;
  std::uint32_t seconds = kKeepMax;
  for (const auto& record : message.answers) seconds = std::min(seconds, record.ttl);
  if (message.rcode == kNoError && !message.answers.empty()) return seconds;
  for (const auto& record : message.authorities)
    if (record.type == kSoa) return std::min({seconds, kNegativeMax, soa_minimum(record)});
  return 0;
}

Shared AnswerCache::get(const std::string& key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  const auto entry = found->second;
  if (clock_.mono() >= entry->expires) {
    entries_.erase(entry);
    index_.erase(found);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  const auto passed = std::chrono::duration_cast<std::chrono::seconds>(clock_.mono() - entry->stored).count();
  if (passed == 0) return entry->message;
  auto copy = std::make_shared<Message>(*entry->message);
  for (auto* section : {&copy->answers, &copy->authorities, &copy->additionals})
    age(*section, static_cast<std::uint32_t>(passed));
  return copy;
}

void AnswerCache::put(const std::string& key, Shared message) {
  const auto seconds = cache_seconds(*message);
  if (seconds == 0) return;
  if (const auto old = index_.find(key); old != index_.end()) {
    entries_.erase(old->second);
    index_.erase(old);
  }
  const auto now = clock_.mono();
  entries_.push_front(Entry{key, now, now + std::chrono::seconds(seconds), std::move(message)});
  index_.emplace(key, entries_.begin());
  while (entries_.size() > entries_max_) {
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

}  // namespace mk::dns
