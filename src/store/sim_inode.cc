#include "sim_inode.h"

#include <algorithm>

namespace mk::store {
void SimInode::apply(std::string& content, const Change& change) {
  if (change.truncates) {
    content.resize(change.offset);
    return;
  }
  if (content.size() < change.offset + change.bytes.size())
    content.resize(change.offset + change.bytes.size());
  content.replace(change.offset, change.bytes.size(), change.bytes);
}

void SimInode::write(std::uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return;
  pending_.push_back(Change{offset, std::string(bytes), false});
  apply(live_, pending_.back());
}

void SimInode::truncate(std::uint64_t size) {
  pending_.push_back(Change{size, "", true});
  apply(live_, pending_.back());
}

void SimInode::sync() {
  for (const auto& change : pending_) apply(durable_, change);
  pending_.clear();
}

void SimInode::settle(rt::Random& random) {
  // The first three are what mostly happens; the fourth is what a device is allowed to do.
  switch (random.below(4)) {
    case 0:
      pending_.clear();
      break;
    case 1:
      pending_.resize(random.below(pending_.size() + 1));
      sync();
      break;
    case 2:
      sync();
      break;
    default:
      settle_sectors(random);
  }
}

// Each sector has taken part in the first so many of the changes, each its own number.
void SimInode::settle_sectors(rt::Random& random) {
  std::size_t largest = durable_.size();
  std::string content = durable_;
  for (const auto& change : pending_) {
    apply(content, change);
    largest = std::max(largest, content.size());
  }
  std::vector<std::size_t> taken((largest + kSimSector - 1) / kSimSector);
  for (auto& count : taken) {
    const auto choice = random.below(3);
    count = choice == 0 ? 0 : choice == 1 ? pending_.size() : random.below(pending_.size() + 1);
  }
  const std::size_t size_taken = random.below(pending_.size() + 1);

  std::string out = durable_;
  out.resize(largest);
  std::size_t size = durable_.size();
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    const Change& change = pending_[i];
    const std::size_t begin = change.offset;
    const std::size_t end = change.truncates ? largest : begin + change.bytes.size();
    for (std::size_t at = begin; at < end;) {
      const std::size_t next = std::min(end, (at / kSimSector + 1) * kSimSector);
      if (i < taken[at / kSimSector]) {
        if (change.truncates) {
          out.replace(at, next - at, next - at, '\0');
        } else {
          out.replace(at, next - at, change.bytes, at - begin, next - at);
        }
      }
      at = next;
    }
    if (i < size_taken) size = change.truncates ? begin : std::max(size, end);
  }
  out.resize(size);
  durable_ = std::move(out);
  pending_.clear();
}

void SimInode::flip_bit(std::uint64_t bit) {
  const std::uint64_t byte = bit / 8;
  const char mask = static_cast<char>(1 << (bit % 8));
  const auto flip = [&](std::string& content, std::uint64_t at) {
    if (at < content.size()) content[at] = static_cast<char>(content[at] ^ mask);
  };
  flip(live_, byte);
  flip(durable_, byte);
  for (auto& change : pending_) {
    if (byte >= change.offset) flip(change.bytes, byte - change.offset);
  }
}

}  // namespace mk::store
