#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Batches: what one sync makes durable, framed in sectors that say whose they are. Format: README.md here.
namespace mk::quorum {

constexpr std::size_t kSector = 512;
constexpr std::size_t kSectorHead = 16;

// Frames records in place while they come.
class BatchBuilder {
 public:
  BatchBuilder() { clear(); }

  void put(std::string_view bytes);
  void put_u8(std::uint8_t value);
  void put_u32(std::uint32_t value);
  void put_u64(std::uint64_t value);
  bool empty() const { return length_ == 0; }

  std::size_t size() const { return framed_.size(); }  // whole sectors
  // The finished sectors; they live until clear().
  std::string_view seal(std::uint64_t number);
  void clear();

 private:
  void place(std::string_view bytes);

  std::string framed_;
  std::size_t at_ = 0;  // where the next byte goes
  std::uint32_t length_ = 0, checksum_ = 0;
};

// What a sector is to a reader who expects batch `number`.
enum class Sector {
  kThis,   // of that batch
  kOlder,  // of an earlier one, or never written
  kNewer,  // of a later one: so the expected one was synced
  kBad,    // nothing that was ever written
};
Sector classify_sector(std::string_view sector, std::uint64_t number);

struct BatchRead {
  enum class Kind {
    kWhole,
    kAbsent,   // not written to its end: was never synced
    kDamaged,  // may have been synced, and cannot be read
  };
  Kind kind = Kind::kAbsent;
  std::size_t size = 0;  // bytes in sectors; kWhole only
  std::string records;
};

// The batch that begins at `offset` of a segment's content.
BatchRead read_batch(std::string_view content, std::size_t offset, std::uint64_t number);

std::uint64_t read_u64(const char* at);
std::uint32_t read_u32(const char* at);
void write_u64(char* at, std::uint64_t value);
void write_u32(char* at, std::uint32_t value);

}  // namespace mk::quorum
