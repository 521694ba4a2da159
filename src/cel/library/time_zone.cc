#include "library/time_zone.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mk/base/strings.h"

namespace mk::cel {

namespace {

// The transitions of one zone, from its TZif file (RFC 8536): 64-bit data of version 2 and later.
struct Zone {
  std::vector<std::int64_t> times;    // ascending
  std::vector<std::int64_t> offsets;  // from times[i] on
  std::int64_t before = 0;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  std::int64_t number(std::size_t width) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = (value << 8) | byte();
    return width == 4 ? static_cast<std::int32_t>(value) : static_cast<std::int64_t>(value);
  }
  unsigned byte() {
    if (at_ >= bytes_.size()) return ok_ = false, 0;
    return static_cast<unsigned char>(bytes_[at_++]);
  }
  void skip(std::int64_t count) {
    if (count < 0 || static_cast<std::uint64_t>(count) > bytes_.size() - at_) {
      ok_ = false;
    } else {
      at_ += static_cast<std::size_t>(count);
    }
  }
  bool ok() const { return ok_; }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

struct Header {
  std::int64_t ut, standard, leaps, times, types, characters;
};

Header read_header(Reader& in) {
  in.skip(20);
  Header out{};
  for (auto* field : {&out.ut, &out.standard, &out.leaps, &out.times, &out.types, &out.characters})
    *field = in.number(4);
  return out;
}

std::shared_ptr<const Zone> parse_zone(std::string_view bytes) {
  if (bytes.size() < 44 || !bytes.starts_with("TZif") || bytes[4] < '2') return nullptr;
  Reader in(bytes);
  const Header old = read_header(in);
  in.skip(old.times * 5 + old.types * 6 + old.characters + old.leaps * 8 + old.standard + old.ut);
  const Header header = read_header(in);
  if (!in.ok() || header.times < 0 || header.times > 10'000 || header.types < 1 || header.types > 256)
    return nullptr;
  auto zone = std::make_shared<Zone>();
  for (std::int64_t i = 0; i < header.times; ++i) zone->times.push_back(in.number(8));
  std::vector<unsigned> type_of;
  for (std::int64_t i = 0; i < header.times; ++i) type_of.push_back(in.byte());
  std::vector<std::int64_t> offsets;
  for (std::int64_t i = 0; i < header.types; ++i) {
    offsets.push_back(in.number(4));
    in.skip(2);
  }
  if (!in.ok()) return nullptr;
  for (const unsigned type : type_of) {
    if (type >= offsets.size()) return nullptr;
    zone->offsets.push_back(offsets[type]);
  }
  zone->before = offsets[0];
  return zone;
}

bool plausible(std::string_view name) {
  if (name.empty() || name.size() > 64 || name[0] == '/' || name.find("..") != std::string_view::npos)
    return false;
  return name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") ==
         std::string_view::npos;
}

// Read once each; there are some hundred zones.
std::shared_ptr<const Zone> zone_of(std::string_view name) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Zone>, std::less<>> known;
  if (!plausible(name)) return nullptr;
  const std::lock_guard lock(mutex);
  if (const auto found = known.find(name); found != known.end()) return found->second;
  std::ifstream file("/usr/share/zoneinfo/" + std::string(name), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  auto zone = parse_zone(bytes);
  if (zone) known.emplace(name, zone);
  return zone;
}

// "+05:30", "05:30", "-8:00"
std::optional<std::int64_t> fixed_offset(std::string_view text) {
  const bool negative = text.starts_with("-");
  if (text.starts_with("-") || text.starts_with("+")) text.remove_prefix(1);
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto hours = parse_int(text.substr(0, colon)), minutes = parse_int(text.substr(colon + 1));
  if (!hours || !minutes || *hours < 0 || *hours > 23 || *minutes < 0 || *minutes > 59) return std::nullopt;
  const std::int64_t seconds = *hours * 3600 + *minutes * 60;
  return negative ? -seconds : seconds;
}

}  // namespace

std::optional<std::int64_t> utc_offset(std::string_view zone, std::int64_t seconds) {
  if (zone.empty() || zone == "UTC" || zone == "Z") return 0;
  if (const auto fixed = fixed_offset(zone)) return fixed;
  const auto found = zone_of(zone);
  if (!found) return std::nullopt;
  const auto after = std::upper_bound(found->times.begin(), found->times.end(), seconds);
  if (after == found->times.begin()) return found->before;
  return found->offsets[static_cast<std::size_t>(after - found->times.begin()) - 1];
}

}  // namespace mk::cel
