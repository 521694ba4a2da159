#include "batch.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "mk/base/assert.h"
#include "mk/base/crc32c.h"

namespace mk::quorum {
namespace {

constexpr std::size_t kPayload = kSector - kSectorHead;
constexpr std::size_t kBatchHead = 8;  // length and checksum of the records, before them in the first sector

std::uint64_t read_little(const char* at, int bytes) {
  std::uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; --i) value = (value << 8) | static_cast<unsigned char>(at[i]);
  return value;
}

void write_little(char* at, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) at[i] = static_cast<char>(value >> (8 * i));
}

std::uint32_t sector_index(std::string_view sector) {
  return read_u32(sector.data() + 4);
}

}  // namespace

std::uint64_t read_u64(const char* at) {
  return read_little(at, 8);
}
std::uint32_t read_u32(const char* at) {
  return static_cast<std::uint32_t>(read_little(at, 4));
}
void write_u64(char* at, std::uint64_t value) {
  write_little(at, value, 8);
}
void write_u32(char* at, std::uint32_t value) {
  write_little(at, value, 4);
}

void BatchBuilder::clear() {
  constexpr std::size_t kKeep = 1 << 20;  // one large batch must not hold its memory for ever
  framed_.clear();
  if (framed_.capacity() > kKeep) framed_.shrink_to_fit();
  framed_.resize(kSector);
  at_ = kSectorHead + kBatchHead;
  length_ = checksum_ = 0;
}

void BatchBuilder::place(std::string_view bytes) {
  while (!bytes.empty()) {
    if (at_ == framed_.size()) {
      framed_.resize(framed_.size() + kSector);
      at_ += kSectorHead;
    }
    const std::size_t part = std::min(bytes.size(), framed_.size() - at_);
    std::memcpy(framed_.data() + at_, bytes.data(), part);
    at_ += part;
    bytes.remove_prefix(part);
  }
}

void BatchBuilder::put(std::string_view bytes) {
  MK_ASSERT(bytes.size() < UINT32_MAX - length_);
  length_ += static_cast<std::uint32_t>(bytes.size());
  checksum_ = crc32c(bytes, checksum_);
  place(bytes);
}

void BatchBuilder::put_u8(std::uint8_t value) {
  const char byte = static_cast<char>(value);
  put({&byte, 1});
}

void BatchBuilder::put_u32(std::uint32_t value) {
  std::array<char, 4> bytes;
  write_u32(bytes.data(), value);
  put({bytes.data(), bytes.size()});
}

void BatchBuilder::put_u64(std::uint64_t value) {
  std::array<char, 8> bytes;
  write_u64(bytes.data(), value);
  put({bytes.data(), bytes.size()});
}

std::string_view BatchBuilder::seal(std::uint64_t number) {
  write_u32(framed_.data() + kSectorHead, length_);
  write_u32(framed_.data() + kSectorHead + 4, checksum_);
  for (std::size_t i = 0; i < framed_.size() / kSector; ++i) {
    char* sector = framed_.data() + i * kSector;
    write_u32(sector + 4, static_cast<std::uint32_t>(i));
    write_u64(sector + 8, number);
    write_u32(sector, crc32c({sector + 4, kSector - 4}));
  }
  return framed_;
}

Sector classify_sector(std::string_view sector, std::uint64_t number) {
  const std::uint64_t found = read_u64(sector.data() + 8);
  if (read_u32(sector.data()) == crc32c(sector.substr(4)))
    return found == number ? Sector::kThis : found < number ? Sector::kOlder : Sector::kNewer;
  const bool zero = sector.find_first_not_of('\0') == std::string_view::npos;
  return zero ? Sector::kOlder : Sector::kBad;
}

BatchRead read_batch(std::string_view content, std::size_t offset, std::uint64_t number) {
  BatchRead out;
  if (offset + kSector > content.size()) return out;
  const std::string_view first = content.substr(offset, kSector);
  const Sector begin = classify_sector(first, number);
  if (begin == Sector::kOlder) return out;
  out.kind = BatchRead::Kind::kDamaged;
  if (begin != Sector::kThis || sector_index(first) != 0) return out;

  const std::size_t length = read_u32(first.data() + kSectorHead);
  const std::size_t sectors = (kBatchHead + length + kPayload - 1) / kPayload;
  bool damaged = false, torn = false;
  std::string framed;
  for (std::size_t i = 0; i < sectors && !torn; ++i) {
    const std::size_t at = offset + i * kSector;
    if (at + kSector > content.size()) {  // a batch and the file's growth for it are one sync
      torn = true;
      break;
    }
    const std::string_view sector = content.substr(at, kSector);
    const Sector kind = classify_sector(sector, number);
    torn = kind == Sector::kOlder;
    damaged = damaged || kind != Sector::kThis || sector_index(sector) != i;
    framed += sector.substr(kSectorHead);
  }
  if (torn) out.kind = BatchRead::Kind::kAbsent;
  if (torn || damaged) return out;
  std::string records = framed.substr(kBatchHead, length);
  if (crc32c(records) != read_u32(first.data() + kSectorHead + 4)) return out;
  out.kind = BatchRead::Kind::kWhole;
  out.size = sectors * kSector;
  out.records = std::move(records);
  return out;
}

}  // namespace mk::quorum
