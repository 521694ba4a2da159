#include "messages.h"

#include "wire.h"

namespace mk::quorum {
namespace {

constexpr std::uint64_t kVersion = 1;

// Each message lists its fields once, for both directions: `Fields` is a Writer or a Reader.
struct Writer {
  std::string& out;
  template <class Number>
  void number(const Number& value) {
    put_number(out, static_cast<std::uint64_t>(value));
  }
  void flag(const bool& value) { put_number(out, value ? 1 : 0); }
  void bytes(const std::string& value) { put_bytes(out, value); }
  void shared(const SharedBytes& value) { put_bytes(out, value.view()); }
};

struct Reader {
  WireReader& in;
  template <class Number>
  void number(Number& value) {
    const std::uint64_t wide = in.number();
    value = static_cast<Number>(wide);
    if (static_cast<std::uint64_t>(value) != wide) in.fail();
  }
  void flag(bool& value) {
    const std::uint64_t wide = in.number();
    value = wide == 1;
    if (wide > 1) in.fail();
  }
  void bytes(std::string& value) { value = std::string(in.bytes()); }
  void shared(SharedBytes& value) { value = SharedBytes(std::string(in.bytes())); }
};

template <class Fields, class M>
void fields(Fields&& f, M&& m, const VoteRequest*) {
  f.number(m.term), f.number(m.last_index), f.number(m.last_term), f.flag(m.disrupt), f.flag(m.pre_vote);
}
template <class Fields, class M>
void fields(Fields&& f, M&& m, const VoteResult*) {
  f.number(m.term), f.flag(m.granted), f.flag(m.pre_vote);
}
template <class Fields, class M>
void fields(Fields&& f, M&& m, const AppendResult*) {
  f.number(m.term), f.number(m.rejected), f.number(m.last_index), f.number(m.log_last), f.flag(m.installing);
}
template <class Fields, class M>
void fields(Fields&& f, M&& m, const TimeoutNow*) {
  f.number(m.term), f.number(m.last_index), f.number(m.last_term);
}
template <class Fields, class M>
void fields(Fields&& f, M&& m, const Probe*) {
  f.number(m.term), f.number(m.number);
}
template <class Fields, class M>
void fields(Fields&& f, M&& m, const ProbeResult*) {
  f.number(m.term), f.number(m.number);
}
template <class Fields, class M>
void fields(Fields&& f, M&& m, const ReadRequest*) {
  f.number(m.number);
}
template <class Fields, class M>
void fields(Fields&& f, M&& m, const ReadResult*) {
  f.number(m.number), f.number(m.index);
}
template <class Fields, class M>
void fields(Fields&& f, M&& m, const ControlRequest*) {
  f.number(m.number), f.number(m.operation), f.number(m.id), f.bytes(m.address);
}
template <class Fields, class M>
void fields(Fields&& f, M&& m, const ControlResult*) {
  f.number(m.number), f.flag(m.done), f.number(m.reason), f.bytes(m.message);
}
template <class Fields, class M>
void fields(Fields&& f, M&& m, const Removed*) {
  f.number(m.members_index);
}
template <class Fields, class M>
void fields(Fields&& f, M&& m, const SnapshotBegin*) {
  f.number(m.id), f.number(m.term), f.number(m.index), f.number(m.index_term), f.number(m.size);
}
template <class Fields, class M>
void fields(Fields&& f, M&& m, const SnapshotChunk*) {
  f.number(m.id), f.number(m.offset), f.number(m.checksum), f.bytes(m.bytes);
}
template <class Fields, class M>
void fields(Fields&& f, M&& m, const SnapshotHave*) {
  f.number(m.id), f.number(m.offset), f.flag(m.gap);
}

void write(std::string& out, const Append& append) {
  for (const std::uint64_t number : {append.term, append.prev_index, append.prev_term, append.commit})
    put_number(out, number);
  put_number(out, append.entries.size());
  for (const LogEntry& entry : append.entries) {
    put_number(out, entry.term);
    put_number(out, static_cast<std::uint64_t>(entry.kind));
    put_bytes(out, entry.data.view());
  }
}
template <class M>
void write(std::string& out, const M& message) {
  fields(Writer{out}, message, &message);
}

void read(WireReader& in, Append& append) {
  append.term = in.number(), append.prev_index = in.number();
  append.prev_term = in.number(), append.commit = in.number();
  const std::uint64_t count = in.number();
  // An entry has three bytes at least, so that a short frame cannot ask for much memory.
  if (count > kEntriesMax || count * 3 > in.left() || append.prev_index + count < append.prev_index)
    return in.fail();
  Term least = append.prev_term;  // terms never go back along a log
  for (std::uint64_t i = 0; i < count && in.good(); ++i) {
    LogEntry entry;
    entry.index = append.prev_index + 1 + i;
    entry.term = in.number();
    const std::uint64_t kind = in.number();
    if (kind < 1 || kind > 3 || entry.term < least || entry.term == 0 || entry.term > append.term)
      return in.fail();
    least = entry.term;
    entry.kind = static_cast<LogEntry::Kind>(kind);
    entry.data = SharedBytes(std::string(in.bytes()));
    append.entries.push_back(std::move(entry));
  }
}
template <class M>
void read(WireReader& in, M& message) {
  fields(Reader{in}, message, &message);
}

// What the fields alone do not say: a message that the core must never see.
bool makes_sense(const Append& append) {
  return append.term > 0 && (append.prev_index == 0) == (append.prev_term == 0);
}
bool makes_sense(const AppendResult& result) {
  return result.rejected == 0 || result.last_index < result.rejected;
}
bool makes_sense(const VoteRequest& request) {
  return request.term > 0;
}
bool makes_sense(const ControlRequest& request) {
  return request.operation >= ControlRequest::Operation::kAdd &&
         request.operation <= ControlRequest::Operation::kTransfer;
}
bool makes_sense(const ControlResult& result) {
  return result.reason >= Reason::kUnknown && result.reason <= Reason::kServiceUnavailable;
}
bool makes_sense(const SnapshotBegin& begin) {
  return begin.id != 0 && begin.index > 0 && begin.index_term > 0 && begin.term >= begin.index_term;
}
template <class M>
bool makes_sense(const M&) {
  return true;
}

constexpr std::size_t kKinds = std::variant_size_v<Message>;
constexpr std::size_t kFirstOfSnapshots = kKinds - 3;

template <std::size_t kKind = 0>
bool read_kind(std::size_t kind, WireReader& in, Message& out) {
  if constexpr (kKind < kKinds) {
    if (kind != kKind) return read_kind<kKind + 1>(kind, in, out);
    auto& message = out.emplace<kKind>();
    read(in, message);
    return in.finished() && makes_sense(message);
  }
  return false;
}

}  // namespace

SharedBytes encode_message(const Message& message) {
  std::string out;
  const bool snapshots = message.index() >= kFirstOfSnapshots;
  out.push_back(static_cast<char>(snapshots ? Channel::kSnapshot : Channel::kRaft));
  put_number(out, kVersion);
  put_number(out, message.index());
  const auto write_it = [&out](const auto& it) { write(out, it); };
  std::visit(write_it, message);
  return SharedBytes(std::move(out));
}

Result<Message> decode_message(std::string_view frame) {
  const Error malformed(Reason::kInvalid, "a frame is malformed or of another version");
  if (frame.empty() || frame.size() > kFrameMax) return malformed;
  const auto channel = static_cast<Channel>(frame.front());
  WireReader in(frame.substr(1));
  if (in.number() != kVersion) return malformed;
  const std::uint64_t kind = in.number();
  if (!in.good() || kind >= kKinds) return malformed;
  if (channel != (kind >= kFirstOfSnapshots ? Channel::kSnapshot : Channel::kRaft)) return malformed;
  Message message;
  if (!read_kind(kind, in, message)) return malformed;
  return message;
}

}  // namespace mk::quorum
