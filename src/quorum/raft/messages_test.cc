#include "messages.h"

#include <catch2/catch.hpp>

#include "members.h"
#include "mk/rt/random.h"

using namespace mk;
using namespace mk::quorum;

namespace {

LogEntry entry(Index index, Term term, LogEntry::Kind kind, std::string data) {
  LogEntry out;
  out.index = index;
  out.term = term;
  out.kind = kind;
  out.data = SharedBytes(std::move(data));
  return out;
}

std::vector<Message> one_of_each() {
  Append append{7, 41, 6, 40, {}};
  append.entries.push_back(entry(42, 6, LogEntry::Kind::kCommand, std::string(300, 'x')));
  append.entries.push_back(entry(43, 7, LogEntry::Kind::kBarrier, ""));
  append.entries.push_back(entry(44, 7, LogEntry::Kind::kMembership, "servers"));
  ControlRequest control;
  control.number = 9;
  control.operation = ControlRequest::Operation::kAdd;
  control.id = 4;
  control.address = "10.0.0.4:6444";
  ControlResult refused;
  refused.number = 9;
  refused.reason = Reason::kConflict;
  refused.message = "busy";
  return {VoteRequest{3, 10, 2, true, false},
          VoteResult{3, true, true},
          append,
          AppendResult{7, 44, 43, 50, true},
          TimeoutNow{7, 44, 7},
          Probe{7, UINT64_MAX},
          ProbeResult{7, 1},
          ReadRequest{5},
          ReadResult{5, 44},
          control,
          refused,
          Removed{12},
          SnapshotBegin{8, 7, 44, 7, 1 << 30},
          SnapshotChunk{8, 65536, 0xdeadbeef, "bytes"},
          SnapshotHave{8, 65541, true}};
}

}  // namespace

TEST_CASE("every message survives its frame") {
  for (const Message& message : one_of_each()) {
    const SharedBytes frame = encode_message(message);
    auto back = decode_message(frame.view());
    INFO("message " << message.index());
    REQUIRE(back.ok());
    CHECK(back->index() == message.index());
    CHECK(encode_message(*back).view() == frame.view());
  }
  const auto append = std::get<Append>(decode_message(encode_message(one_of_each()[2]).view()).value());
  REQUIRE(append.entries.size() == 3);
  CHECK(append.entries[2].index == 44);
  CHECK(append.entries[2].data.view() == "servers");
}

TEST_CASE("a frame that is cut, longer or changed is no message or another one, and never more") {
  auto random = rt::make_random(1);
  for (const Message& message : one_of_each()) {
    const std::string frame(encode_message(message).view());
    INFO("message " << message.index());
    for (std::size_t size = 0; size < frame.size(); ++size)
      CHECK_FALSE(decode_message(std::string_view(frame).substr(0, size)).ok());
    CHECK_FALSE(decode_message(frame + '\0').ok());
    for (int i = 0; i < 500; ++i) {
      std::string changed = frame;
      changed[random->below(changed.size())] = static_cast<char>(random->next());
      if (auto back = decode_message(changed); back.ok()) (void)encode_message(*back);
    }
  }
}

TEST_CASE("an append whose terms go back, or whose count promises too much, is refused") {
  Append append{7, 41, 6, 40, {}};
  append.entries.push_back(entry(42, 5, LogEntry::Kind::kCommand, "older than what stands before"));
  CHECK_FALSE(decode_message(encode_message(append).view()).ok());
  append.entries[0].term = 8;  // of a term that the leader has not reached
  CHECK_FALSE(decode_message(encode_message(append).view()).ok());
  append.entries[0].term = 7;
  CHECK(decode_message(encode_message(append).view()).ok());
  append.prev_term = 0;  // an entry without a term
  CHECK_FALSE(decode_message(encode_message(append).view()).ok());
}

TEST_CASE("members survive their encoding, and nonsense is refused") {
  std::vector<Member> members(2);
  members[0].peer = Peer{3, "10.0.0.3:6444"};
  members[1].peer = Peer{1, ""};
  members[1].role = Member::Role::kLearner;
  const std::string bytes(encode_members(members).view());
  auto back = decode_members(bytes);
  REQUIRE(back.ok());
  REQUIRE(back->size() == 2);
  CHECK((*back)[0].peer.id == 3);
  CHECK((*back)[0].peer.address == "10.0.0.3:6444");
  CHECK((*back)[1].role == Member::Role::kLearner);
  CHECK(count_voters(*back) == 1);
  CHECK_FALSE(is_voter(*back, 1));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(decode_members(std::string_view(bytes).substr(0, size)).ok());
  members[1].peer.id = 3;  // twice
  CHECK_FALSE(decode_members(encode_members(members).view()).ok());
}
