#include "front/command.h"

#include "front/count.h"

namespace mk::quorum {
namespace {

constexpr std::uint64_t kVersion = 1;
enum Flags : std::uint64_t { kRemoved = 1, kFirst = 2 };  // kFirst: the key's life begins with this change

std::uint64_t positive(store::Revision revision) {
  return static_cast<std::uint64_t>(revision);
}

// A revision: what number() read, if that can be one.
store::Revision revision_of(WireReader& reader, std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(INT64_MAX)) return reader.fail(), 0;
  return static_cast<store::Revision>(value);
}

// Revisions as the distance from the one before, which is 1 nearly always.
store::Change read_change(WireReader& reader, store::Revision before) {
  store::Change change;
  const std::uint64_t flags = reader.number();
  if (flags > (kRemoved | kFirst)) reader.fail();
  change.removed = (flags & kRemoved) != 0;
  const std::uint64_t step = reader.number();
  if (step == 0 || step > static_cast<std::uint64_t>(INT64_MAX - before)) reader.fail();
  if (!reader.good()) return change;
  change.revision = before + static_cast<store::Revision>(step);
  change.create_revision = change.revision;
  if ((flags & kFirst) == 0) change.create_revision = revision_of(reader, reader.number());
  if (change.create_revision <= 0 || change.create_revision > change.revision) reader.fail();
  change.key = reader.bytes();
  if (change.key.empty()) reader.fail();
  if (!change.removed) change.value = SharedBytes(std::string(reader.bytes()));
  return change;
}

}  // namespace

SharedBytes encode(const Command& command) {
  std::size_t size = 64;
  for (const auto& change : command.changes) size += change.key.size() + change.value.size() + 24;
  std::string out;
  out.reserve(size);
  put_number(out, kVersion);
  put_number(out, positive(command.ceiling));
  put_number(out, positive(command.compact_to));
  put_number(out, positive(command.skipped_to));
  put_number(out, command.origins.size());
  for (const auto& origin : command.origins) {
    put_number(out, origin.server);
    put_number(out, origin.request);
    put_number(out, positive(origin.revision));
  }
  put_number(out, command.changes.size());
  store::Revision before = 0;
  for (const auto& change : command.changes) {
    const bool first = change.create_revision == change.revision;
    put_number(out, (change.removed ? kRemoved : 0) | (first ? kFirst : 0));
    put_number(out, positive(change.revision - before));
    if (!first) put_number(out, positive(change.create_revision));
    put_bytes(out, change.key);
    if (!change.removed) put_bytes(out, change.value.view());
    before = change.revision;
  }
  return SharedBytes(std::move(out));
}

Result<Command> decode_command(std::string_view bytes) {
  WireReader in(bytes);
  if (const auto version = in.number(); version != kVersion)
    return Error(Reason::kInvalid, "a command of version " + std::to_string(version) + ", this mk reads " +
                                       std::to_string(kVersion) + ": all servers need the newer one");
  Command out;
  out.ceiling = revision_of(in, in.number());
  out.compact_to = revision_of(in, in.number());
  out.skipped_to = revision_of(in, in.number());
  for (std::size_t left = read_count(in); left > 0 && in.good(); --left) {
    Origin origin;
    origin.server = in.number();
    origin.request = in.number();
    origin.revision = revision_of(in, in.number());
    out.origins.push_back(origin);
  }
  store::Revision before = 0;
  for (std::size_t left = read_count(in); left > 0 && in.good(); --left) {
    out.changes.push_back(read_change(in, before));
    before = out.changes.back().revision;
  }
  if (!in.finished()) return Error(Reason::kInvalid, "a malformed command");
  return out;
}

}  // namespace mk::quorum
