#pragma once

#include <span>
#include <string>

#include "mk/base/result.h"

// iptables for this room's own chains. Blocking.
namespace mk::kubelet {

// A line by which a chain of the kernel leads to one of ours.
struct Jump {
  const char *table, *from, *to;
};

Result<void> restore_rules(const std::string& text);  // iptables-restore --noflush
// Adds what is missing, behind what others put before.
Result<void> put_jumps(std::span<const Jump> jumps);
// Removes the jumps, as often as they are there, and then the chains.
Result<void> remove_chains(std::span<const Jump> jumps);

}  // namespace mk::kubelet
