#pragma once

#include <optional>
#include <string>
#include <vector>

#include "log/log.h"
#include "mk/store/store.h"

namespace mk::quorum {

// Between the fronts of two servers, on Channel::kFront. Lost ones are sent again by whoever asked.
struct FrontMessage {
  enum class Kind : std::uint8_t {
    kCommit = 1,   // follower: do this; that it happened is seen in the log
    kRefused = 2,  // leader: nothing of it happened
    kFlush = 3,    // follower: put into the log what is only in memory
    kFlushed = 4,  // leader: it is in the log up to `index`
  };
  Kind kind = Kind::kCommit;
  // The sender's; whoever leads in another refuses: the request may have been tried there before.
  Term term = 0;
  std::uint64_t request = 0;
  std::uint64_t oldest = 0;  // kCommit: every request below has been answered
  store::Durability durability = store::Durability::kDurable;
  std::vector<store::Operation> operations;
  Reason reason = Reason::kUnknown;  // kRefused
  std::string text;
  Index index = 0;  // kRefused: the reason is to be seen there; kFlushed
};

SharedBytes encode(const FrontMessage& message);  // with the channel's byte before it
Result<FrontMessage> decode_front_message(std::string_view frame);

}  // namespace mk::quorum
