#include "record.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "mk/base/crc32c.h"

namespace mk::quorum {
namespace {

constexpr std::string_view kMagic = "mk log\r\n";  // the line end finds transfers that translate text
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeadFields = 10;
constexpr std::string_view kSuffix = ".log";
constexpr std::size_t kDigits = 16;

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }
  bool short_of_bytes() const { return short_; }
  std::string_view bytes(std::size_t size) {
    if (size > rest_.size()) {
      short_ = true;
      size = 0;
    }
    const std::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  std::uint8_t u8() {
    const auto at = bytes(1);
    return at.empty() ? 0 : static_cast<std::uint8_t>(at[0]);
  }
  std::uint32_t u32() {
    const auto at = bytes(4);
    return at.empty() ? 0 : read_u32(at.data());
  }
  std::uint64_t u64() {
    const auto at = bytes(8);
    return at.empty() ? 0 : read_u64(at.data());
  }

 private:
  std::string_view rest_;
  bool short_ = false;
};

Error newer_format() {
  return Error(Reason::kInvalid, "written by a newer version of mk; run that version, or a newer one");
}

std::optional<Record> read_record(Reader& in, std::uint8_t type) {
  Record record;
  record.type = static_cast<Record::Type>(type);
  record.term = in.u64();
  switch (record.type) {
    case Record::Type::kVote:
      record.vote = in.u64();
      return record;
    case Record::Type::kEntry:
      record.index = in.u64();
      record.kind = static_cast<LogEntry::Kind>(in.u8());
      record.data = in.bytes(in.u32());
      if (record.kind < LogEntry::Kind::kCommand || record.kind > LogEntry::Kind::kMembership) return {};
      return record;
    case Record::Type::kTruncate:
      record.index = in.u64();
      return record;
    case Record::Type::kTrim:
    case Record::Type::kRestart:
      record.index = in.u64();
      record.first = in.u64();
      return record;
  }
  return {};
}

}  // namespace

void put_record(BatchBuilder& batch, const Record& record) {
  batch.put_u8(static_cast<std::uint8_t>(record.type));
  batch.put_u64(record.term);
  switch (record.type) {
    case Record::Type::kVote:
      batch.put_u64(record.vote);
      return;
    case Record::Type::kEntry:
      batch.put_u64(record.index);
      batch.put_u8(static_cast<std::uint8_t>(record.kind));
      batch.put_u32(static_cast<std::uint32_t>(record.data.size()));
      batch.put(record.data);
      return;
    case Record::Type::kTruncate:
      batch.put_u64(record.index);
      return;
    case Record::Type::kTrim:
    case Record::Type::kRestart:
      batch.put_u64(record.index);
      batch.put_u64(record.first);
      return;
  }
}

Result<void> for_each_record(std::string_view records,
                             const std::function<Result<void>(const Record&)>& use) {
  Reader in(records);
  while (!in.at_end()) {
    const auto record = read_record(in, in.u8());
    if (in.short_of_bytes()) return Error(Reason::kInternalError, "a record is cut off");
    if (!record) return newer_format();
    MK_TRY(use(*record));
  }
  return ok();
}

std::string encode_head(const SegmentHead& head) {
  MK_ASSERT(head.cluster.size() <= kMaxCluster);
  std::string out(kSector, '\0');
  char* at = out.data() + 4;
  at += kMagic.copy(at, kMagic.size());
  write_u32(at, kVersion);
  at += 4;
  const LogState& state = head.state;
  const std::uint64_t fields[kHeadFields] = {head.sequence, head.number,        state.term, state.vote,
                                             state.base,    state.base_term,    state.last, state.last_term,
                                             state.first,   head.cluster.size()};
  for (const auto field : fields) {
    write_u64(at, field);
    at += 8;
  }
  head.cluster.copy(at, head.cluster.size());
  write_u32(out.data(), crc32c(std::string_view(out).substr(4)));
  return out;
}

Result<SegmentHead> decode_head(std::string_view sector) {
  if (sector.size() < kSector || read_u32(sector.data()) != crc32c(sector.substr(4, kSector - 4)))
    return Error(Reason::kInternalError, "its first sector cannot be read");
  Reader in(sector.substr(4, kSector - 4));
  if (in.bytes(kMagic.size()) != kMagic)
    return Error(Reason::kInternalError, "its first sector is none of a log");
  if (in.u32() != kVersion) return newer_format();
  std::uint64_t fields[kHeadFields];
  for (auto& field : fields) field = in.u64();
  if (fields[9] > kMaxCluster) return newer_format();
  SegmentHead head;
  head.sequence = fields[0];
  head.number = fields[1];
  head.state = LogState{fields[2], fields[3], fields[4], fields[5], fields[6], fields[7], fields[8]};
  head.cluster = std::string(in.bytes(fields[9]));
  return head;
}

std::string segment_name(Sequence sequence) {
  return fmt::format("{:016x}{}", sequence, kSuffix);
}

Sequence sequence_of(std::string_view name) {
  if (name.size() != kDigits + kSuffix.size() || name.substr(kDigits) != kSuffix) return 0;
  Sequence sequence = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kDigits, sequence, 16);
  return error == std::errc() && end == name.data() + kDigits ? sequence : 0;
}

}  // namespace mk::quorum
