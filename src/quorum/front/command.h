#pragma once

#include <vector>

#include "mk/quorum/links.h"
#include "mk/store/store.h"

namespace mk::quorum {

// A commit that another server has sent here: when it finds it in the log, it knows that it happened.
struct Origin {
  ServerId server = 0;
  std::uint64_t request = 0;
  store::Revision revision = 0;  // of its last change
};

// What a log entry says: what happened, with every revision decided by who led. Format: README.md here.
struct Command {
  std::vector<store::Change> changes;  // revisions ascending; the value of a removal is not written
  store::Revision ceiling = 0;         // not 0: revisions up to here may be shown before they are committed
  store::Revision compact_to = 0;      // not 0: forget history up to here
  store::Revision skipped_to = 0;      // not 0: revisions up to here may have named changes that are lost
  std::vector<Origin> origins;
};

SharedBytes encode(const Command& command);
// kInvalid: not what encode() makes, or of a newer version.
Result<Command> decode_command(std::string_view bytes);

}  // namespace mk::quorum
