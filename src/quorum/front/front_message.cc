#include "front/front_message.h"

#include "front/count.h"
#include "mk/store/state_machine.h"
#include "raft/raft.h"

namespace mk::quorum {
namespace {

using store::Operation;

void write_operation(std::string& out, const Operation& operation) {
  const bool removes = operation.kind == Operation::Kind::kRemove;
  put_number(out, removes ? 1 : 0);
  put_number(out, static_cast<std::uint64_t>(operation.expected + 1));  // kAny is -1
  put_bytes(out, operation.key);
  if (!removes) put_bytes(out, operation.value.view());
}

Operation read_operation(WireReader& in) {
  const std::uint64_t kind = in.number(), expected = in.number();
  if (kind > 1 || expected > static_cast<std::uint64_t>(INT64_MAX)) in.fail();
  std::string key(in.bytes());
  if (key.empty()) in.fail();
  SharedBytes value;
  if (kind == 0) value = SharedBytes(std::string(in.bytes()));
  return Operation(kind == 1 ? Operation::Kind::kRemove : Operation::Kind::kPut, std::move(key),
                   std::move(value), static_cast<store::Revision>(expected) - 1);
}

}  // namespace

SharedBytes encode(const FrontMessage& message) {
  std::string out;
  put_number(out, static_cast<std::uint64_t>(Channel::kFront));
  put_number(out, static_cast<std::uint64_t>(message.kind));
  put_number(out, message.term);
  put_number(out, message.request);
  switch (message.kind) {
    case FrontMessage::Kind::kCommit:
      put_number(out, message.oldest);
      put_number(out, message.durability == store::Durability::kLazy ? 1 : 0);
      put_number(out, message.operations.size());
      for (const auto& operation : message.operations) write_operation(out, operation);
      break;
    case FrontMessage::Kind::kRefused:
      put_bytes(out, to_string(message.reason));
      put_bytes(out, message.text);
      put_number(out, message.index);
      break;
    case FrontMessage::Kind::kFlush:
      break;
    case FrontMessage::Kind::kFlushed:
      put_number(out, message.index);
      break;
  }
  return SharedBytes(std::move(out));
}

Result<FrontMessage> decode_front_message(std::string_view frame) {
  WireReader in(frame);
  FrontMessage out;
  if (in.number() != static_cast<std::uint64_t>(Channel::kFront)) in.fail();
  const std::uint64_t kind = in.number();
  if (kind < 1 || kind > 4) in.fail();
  out.kind = static_cast<FrontMessage::Kind>(kind);
  out.term = in.number();
  out.request = in.number();
  if (!in.good()) return Error(Reason::kInvalid, "a malformed frame");
  if (out.kind == FrontMessage::Kind::kCommit) {
    out.oldest = in.number();
    out.durability = in.number() == 1 ? store::Durability::kLazy : store::Durability::kDurable;
    for (std::size_t left = read_count(in); left > 0 && in.good(); --left)
      out.operations.push_back(read_operation(in));
  } else if (out.kind == FrontMessage::Kind::kRefused) {
    out.reason = reason_from_string(in.bytes());
    out.text = in.bytes();
    out.index = in.number();
  } else if (out.kind == FrontMessage::Kind::kFlushed) {
    out.index = in.number();
  }
  if (!in.finished()) return Error(Reason::kInvalid, "a malformed frame");
  return out;
}

}  // namespace mk::quorum
