#pragma once

#include <string_view>
#include <vector>

#include "mk/base/bytes.h"
#include "mk/base/result.h"
#include "mk/quorum/replicated_store.h"

namespace mk::quorum {

// The data of a LogEntry::kMembership, and what a state keeps of it (store::Applied::membership): a version,
// then every member. The order of members is kept.
SharedBytes encode_members(const std::vector<Member>& members);
Result<std::vector<Member>> decode_members(std::string_view bytes);

inline constexpr std::size_t kMembersMax = 64;  // voters and learners

const Member* find_member(const std::vector<Member>& members, ServerId id);
std::size_t count_voters(const std::vector<Member>& members);
bool is_voter(const std::vector<Member>& members, ServerId id);

}  // namespace mk::quorum
