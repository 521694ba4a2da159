#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "log/log.h"
#include "mk/base/result.h"
#include "raft.h"

// What servers say to each other on Channel::kRaft and Channel::kSnapshot. A frame is the channel's byte, the
// format's version, the message's kind and its numbers (wire.h). A frame of another version or kind, or with
// a byte too few or too many, is no message.
namespace mk::quorum {

// Raft's own (Ongaro's thesis, figure 3.1, 9.6 for pre-votes, 3.10 for TimeoutNow).
struct VoteRequest {
  Term term = 0;
  Index last_index = 0;
  Term last_term = 0;
  bool disrupt = false;  // leadership is being transferred to the sender
  bool pre_vote = false;
};
struct VoteResult {
  Term term = 0;
  bool granted = false, pre_vote = false;
};
struct Append {
  Term term = 0;
  Index prev_index = 0;
  Term prev_term = 0;
  Index commit = 0;
  std::vector<LogEntry> entries;  // from prev_index + 1 on
};
struct AppendResult {
  Term term = 0;
  Index rejected = 0;       // not 0: the prev_index that does not match here
  Index last_index = 0;     // of what is stored and matches, or a hint where to try
  Index log_last = 0;       // of the sender's log, whatever is in it
  bool installing = false;  // a snapshot, just now
};
struct TimeoutNow {
  Term term = 0;
  Index last_index = 0;
  Term last_term = 0;
};

// Read points (thesis 6.4): the leader's question whether it still is, and its answer; a server's request for
// a read point, and the leader's answer (0: not leading).
struct Probe {
  Term term = 0;
  std::uint64_t number = 0;
};
struct ProbeResult {
  Term term = 0;
  std::uint64_t number = 0;
};
struct ReadRequest {
  std::uint64_t number = 0;
};
struct ReadResult {
  std::uint64_t number = 0;
  Index index = 0;
};

// Membership and transfer asked of the leader by another server.
struct ControlRequest {
  enum class Operation : std::uint8_t { kAdd = 1, kPromote = 2, kRemove = 3, kTransfer = 4 };
  std::uint64_t number = 0;
  Operation operation = Operation::kAdd;
  ServerId id = 0;
  std::string address;  // kAdd
};
struct ControlResult {
  std::uint64_t number = 0;
  bool done = false;
  Reason reason = Reason::kUnknown;
  std::string message;
};
// The membership committed at `members_index` is without the receiver.
struct Removed {
  Index members_index = 0;
};

// Channel::kSnapshot. The receiver answers each with how much it has: the sender goes on from there.
struct SnapshotBegin {
  std::uint64_t id = 0;  // of this file
  Term term = 0;         // the sender's
  Index index = 0;       // what the file holds
  Term index_term = 0;
  std::uint64_t size = 0;
};
struct SnapshotChunk {
  std::uint64_t id = 0, offset = 0;
  std::uint32_t checksum = 0;  // CRC-32C of the bytes
  std::string bytes;
};
struct SnapshotHave {
  std::uint64_t id = 0, offset = 0;  // == size: all, synced
  bool gap = false;                  // what came was not what follows: send again from here
};

using Message = std::variant<VoteRequest, VoteResult, Append, AppendResult, TimeoutNow, Probe, ProbeResult,
                             ReadRequest, ReadResult, ControlRequest, ControlResult, Removed, SnapshotBegin,
                             SnapshotChunk, SnapshotHave>;

inline constexpr std::size_t kFrameMax = 16 << 20;
inline constexpr std::size_t kEntriesMax = 4096;  // of one Append

SharedBytes encode_message(const Message& message);
// Of either channel; kInvalid for anything that encode_message could not have made.
Result<Message> decode_message(std::string_view frame);

}  // namespace mk::quorum
