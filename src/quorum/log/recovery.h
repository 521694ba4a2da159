#pragma once

#include <memory>
#include <string>
#include <vector>

#include "log.h"
#include "record.h"
#include "steps.h"

namespace mk::quorum {

constexpr std::string_view kSpare =
    "spare-";  // files that will become segments; worth nothing after a restart

struct Recovered {
  LogState state;
  std::vector<LogEntry> entries;
  Steps terms, places;                // of entries: their term, the segment they are in
  std::vector<Sequence> segments;     // on disk, ascending; none: a new log
  std::uint64_t number = 0;           // of the last batch
  std::unique_ptr<store::File> file;  // of the last segment
  std::uint64_t tail = 0, size = 0;   // of that file: where the next batch goes, the end
  std::uint64_t written = 0, syncs = 0;
};

// Reads the log and makes durable what it found, as if it had just been synced: pages of a killed process or
// a failed sync may never have reached the disk.
Result<Recovered> recover(store::Disk& disk, const LogOptions& options);

}  // namespace mk::quorum
