#pragma once

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "log.h"
#include "mk/store/sim_disk.h"

// For tests: what a log should hold, and random calls made on both.
namespace mk::quorum {

// How many seeds a test runs: few on every run, any number on demand (MK_SEEDS=5000).
inline std::uint64_t seeds(std::uint64_t usual) {
  const char* more = std::getenv("MK_SEEDS");
  return more == nullptr ? usual : std::strtoull(more, nullptr, 10);
}

struct LogModel {
  Term term = 0;
  ServerId vote = 0;
  Index base = 0;
  Term base_term = 0;
  std::vector<LogEntry> entries;

  Index last() const { return base + entries.size(); }
  Term term_at(Index index) const { return index == base ? base_term : entries[index - base - 1].term; }

  static LogModel of(const LogContent& content) {
    return {content.term, content.vote, content.base_index, content.base_term, content.entries};
  }
  bool operator==(const LogModel& other) const {
    const auto same = [](const LogEntry& a, const LogEntry& b) {
      return a.index == b.index && a.term == b.term && a.kind == b.kind && a.data.view() == b.data.view();
    };
    return term == other.term && vote == other.vote && base == other.base && base_term == other.base_term &&
           std::equal(entries.begin(), entries.end(), other.entries.begin(), other.entries.end(), same);
  }
};

inline std::string to_text(const LogModel& model) {
  return fmt::format("term {} vote {} base {}/{} last {}/{}", model.term, model.vote, model.base,
                     model.base_term, model.last(), model.term_at(model.last()));
}

inline LogEntry make_entry(Index index, Term term, std::string data) {
  LogEntry entry;
  entry.index = index;
  entry.term = term;
  entry.kind = static_cast<LogEntry::Kind>(1 + index % 3);
  entry.data = SharedBytes(std::move(data));
  return entry;
}

inline std::string random_text(rt::Random& random, std::size_t most) {
  std::string out(random.below(most + 1), '\0');
  const std::uint64_t salt = random.next();
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>((salt >> (i % 57)) ^ (i >> 6));
  return out;
}

inline std::vector<LogEntry> random_entries(rt::Random& random, const LogModel& model) {
  std::vector<LogEntry> entries;
  const auto count = 1 + random.below(4);
  const Term term = std::max(model.term, model.term_at(model.last()));
  // Mostly small, as in life; sometimes larger than what is left of a segment, or than a whole one.
  const std::size_t most = random.below(20) == 0 ? 20000 : random.below(3) == 0 ? 3000 : 300;
  for (std::uint64_t i = 0; i < count; ++i)
    entries.push_back(make_entry(model.last() + 1 + i, term, random_text(random, most)));
  return entries;
}

// One call that changes something, on `target` (a Log or a LogWriter's test face) and on the model.
template <class Target>
Result<void> random_call(rt::Random& random, LogModel& model, Target&& target) {
  switch (random.below(12)) {
    case 0:
    case 1:
      model.term += 1;
      model.vote = random.below(4);
      return target.set_vote(model.term, model.vote);
    case 2: {
      const Index last = model.base + random.below(model.entries.size() + 1);
      model.entries.resize(last - model.base);
      return target.truncate_after(last);
    }
    case 3: {
      const Index base = model.base + random.below(model.entries.size() + 1);
      model.base_term = model.term_at(base);
      model.entries.erase(model.entries.begin(),
                          model.entries.begin() + static_cast<std::ptrdiff_t>(base - model.base));
      model.base = base;
      return target.trim(base);
    }
    case 4:
      if (random.below(8) != 0) return ok();
      model.base_term = model.term_at(model.last()) + random.below(2);
      model.base = model.last() + random.below(100);
      model.entries.clear();
      return target.restart_at(model.base, model.base_term);
    default: {
      const auto entries = random_entries(random, model);
      model.entries.insert(model.entries.end(), entries.begin(), entries.end());
      return target.append(entries);
    }
  }
}

}  // namespace mk::quorum
