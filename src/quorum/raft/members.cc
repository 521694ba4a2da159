#include "members.h"

#include <algorithm>

#include "wire.h"

namespace mk::quorum {

namespace {
constexpr std::uint64_t kVersion = 1;
}

SharedBytes encode_members(const std::vector<Member>& members) {
  std::string out;
  put_number(out, kVersion);
  put_number(out, members.size());
  for (const Member& member : members) {
    put_number(out, member.peer.id);
    put_number(out, member.role == Member::Role::kVoter ? 1 : 0);
    put_bytes(out, member.peer.address);
  }
  return SharedBytes(std::move(out));
}

Result<std::vector<Member>> decode_members(std::string_view bytes) {
  const Error malformed(Reason::kInvalid, "the list of servers is malformed or of a newer mk");
  WireReader in(bytes);
  if (in.number() != kVersion) return malformed;
  const std::uint64_t count = in.number();
  if (!in.good() || count == 0 || count > kMembersMax) return malformed;
  std::vector<Member> members;
  for (std::uint64_t i = 0; i < count; ++i) {
    Member member;
    member.peer.id = in.number();
    const std::uint64_t role = in.number();
    member.peer.address = std::string(in.bytes());
    if (!in.good() || role > 1 || member.peer.id == 0 || find_member(members, member.peer.id) != nullptr)
      return malformed;
    member.role = role == 1 ? Member::Role::kVoter : Member::Role::kLearner;
    members.push_back(std::move(member));
  }
  if (!in.finished()) return malformed;
  return members;
}

const Member* find_member(const std::vector<Member>& members, ServerId id) {
  const auto same = [id](const Member& member) { return member.peer.id == id; };
  const auto found = std::find_if(members.begin(), members.end(), same);
  return found == members.end() ? nullptr : &*found;
}

std::size_t count_voters(const std::vector<Member>& members) {
  const auto votes = [](const Member& member) { return member.role == Member::Role::kVoter; };
  return static_cast<std::size_t>(std::count_if(members.begin(), members.end(), votes));
}

bool is_voter(const std::vector<Member>& members, ServerId id) {
  const Member* member = find_member(members, id);
  return member != nullptr && member->role == Member::Role::kVoter;
}

}  // namespace mk::quorum
