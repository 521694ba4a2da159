#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mk/base/bytes.h"
#include "mk/base/result.h"
#include "mk/quorum/links.h"
#include "mk/store/disk.h"

// The Raft log on disk: the one place whose fsync makes a write durable. Format: README.md here.
namespace mk::quorum {

using Index = std::uint64_t;  // of an entry, from 1
using Term = std::uint64_t;

struct LogEntry {
  enum class Kind : std::uint8_t { kCommand = 1, kBarrier = 2, kMembership = 3 };
  Index index = 0;
  Term term = 0;
  Kind kind = Kind::kCommand;
  SharedBytes data;
};

// What a log held when it was opened.
struct LogContent {
  Term term = 0;      // the current term
  ServerId vote = 0;  // for whom in it; 0: nobody
  // What stands before the first entry: 0/0, or where the log was trimmed or restarted.
  Index base_index = 0;
  Term base_term = 0;
  std::vector<LogEntry> entries;
};

// Synchronous, of one thread. Calls are buffered in order and durable after sync(). Any error is final: the
// log refuses everything afterwards and the process must end (a failed fsync is never tried again).
class Log {
 public:
  virtual ~Log() = default;
  virtual Result<void> set_vote(Term term, ServerId vote) = 0;
  // From the last index + 1 on. kServiceUnavailable and nothing appended, which is not final, when the disk
  // has less free than half of LogOptions::reserve.
  virtual Result<void> append(const std::vector<LogEntry>& entries) = 0;
  virtual Result<void> truncate_after(Index last) = 0;  // forgets every entry above; never below the base
  // Entries up to `base` are gone, and with them the segments that held nothing else, after sync(). The
  // caller has proven that the state holds them.
  virtual Result<void> trim(Index base) = 0;
  virtual Result<void> restart_at(Index base, Term base_term) = 0;  // empty, after a snapshot took over
  virtual Result<void> sync() = 0;
  // Asks the disk: false while it has less free than LogOptions::reserve. Proposals stop here, so that what
  // is on its way still finds room.
  virtual Result<bool> has_space() = 0;
  virtual std::uint64_t bytes_written() const = 0;
  virtual std::uint64_t sync_count() const = 0;
};

struct LogOptions {
  std::string dir;      // segments here; made if missing
  std::string cluster;  // stamped into every segment, refused when another
  std::uint64_t segment_size = 4 << 20;
  // What stays free on the disk, so that a store that refuses proposals can still compact and vote.
  std::uint64_t reserve = 16 << 20;
};

// kInvalid: another cluster's or a newer format. kInternalError: a record before the tail is damaged; the
// message says how to repair the server (from its peers or a snapshot). A torn tail - a power cut while
// appending - is cut off: nobody was told that it was there.
Result<std::unique_ptr<Log>> open_log(store::Disk& disk, LogOptions options, LogContent& found);

}  // namespace mk::quorum
