#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "batch.h"
#include "log.h"

// Records, of which batches are made, and the first sector of a segment. Format: README.md here.
namespace mk::quorum {

using Sequence = std::uint64_t;  // of a segment, from 1

// What the log is at one moment, but for the entries.
struct LogState {
  Term term = 0;
  ServerId vote = 0;
  Index base = 0;  // before the first entry
  Term base_term = 0;
  Index last = 0;  // base when there is no entry
  Term last_term = 0;
  Sequence first = 1;  // segments before this one are done with
};

struct Record {
  enum class Type : std::uint8_t { kVote = 1, kEntry = 2, kTruncate = 3, kTrim = 4, kRestart = 5 };
  Type type = Type::kVote;
  Term term = 0;       // kVote: the current one; else that of `index`
  ServerId vote = 0;   // kVote
  Index index = 0;     // kEntry; kTruncate: the last that stays; kTrim, kRestart: the base
  Sequence first = 0;  // kTrim, kRestart
  LogEntry::Kind kind = LogEntry::Kind::kCommand;  // kEntry
  std::string_view data;                           // kEntry
};

void put_record(BatchBuilder& batch, const Record& record);
// Stops at the first error. kInvalid: a record this version does not know.
Result<void> for_each_record(std::string_view records, const std::function<Result<void>(const Record&)>& use);

struct SegmentHead {
  Sequence sequence = 0;
  std::uint64_t number = 0;  // of the last batch before this segment
  LogState state;            // after that batch
  std::string cluster;
};

constexpr std::size_t kMaxCluster = 255;
std::string encode_head(const SegmentHead& head);  // one sector
// kInternalError: not readable; kInvalid: a newer format.
Result<SegmentHead> decode_head(std::string_view sector);

// "0000000000000001.log"; 0 when the name is none of a segment.
std::string segment_name(Sequence sequence);
Sequence sequence_of(std::string_view name);

}  // namespace mk::quorum
