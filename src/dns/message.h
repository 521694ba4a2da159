#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mk/base/result.h"

// DNS messages on the wire: RFC 1035, EDNS0 (RFC 6891). Reading is strict, since whatever a pod sends comes
// here: every length is checked, compression pointers only go backwards and their number is bounded.
namespace mk::dns {

enum Type : std::uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kSoa = 6,
  kPtr = 12,
  kMx = 15,
  kTxt = 16,
  kAaaa = 28,
  kSrv = 33,
  kOpt = 41,
  kIxfr = 251,
  kAxfr = 252,
  kAny = 255,
};
constexpr std::uint16_t kClassIn = 1;

enum Rcode : std::uint16_t {
  kNoError = 0,
  kFormErr = 1,
  kServFail = 2,
  kNxDomain = 3,
  kNotImp = 4,
  kRefused = 5,
  kBadVers = 16,
};

// A name is kept as on the wire, uncompressed: length-prefixed labels up to and including the empty root
// label. Bytes of any value survive, and letters keep the case in which they were asked.
using Name = std::string;

// "a.b.c" or "a.b.c." as a Name; nullopt when a label is empty or over 63 bytes or the whole over 255.
std::optional<Name> name_from_text(std::string_view text);
// Lower case, no final dot, "" for the root; bytes that would be ambiguous are written \DDD.
std::string name_to_text(std::string_view name);

struct Question {
  Name name;
  std::uint16_t type = 0, klass = kClassIn;
};

// rdata is uncompressed.
struct Record {
  Record() = default;
  Record(Name name_, std::uint16_t type_, std::uint32_t ttl_, std::string rdata_)
      : name(std::move(name_)), type(type_), ttl(ttl_), rdata(std::move(rdata_)) {}
  Name name;
  std::uint16_t type = 0, klass = kClassIn;
  std::uint32_t ttl = 0;
  std::string rdata;
};

struct Edns {
  std::uint16_t udp_size = 512;
  std::uint8_t version = 0;
  bool dnssec_ok = false;
};

struct Message {
  std::uint16_t id = 0;
  bool response = false, authoritative = false, truncated = false;
  bool recursion_desired = false, recursion_available = false, authentic = false, checking_disabled = false;
  std::uint8_t opcode = 0;
  std::uint16_t rcode = 0;  // with the upper bits of EDNS
  std::vector<Question> questions;
  std::vector<Record> answers, authorities, additionals;  // the OPT record is in `edns` instead
  std::optional<Edns> edns;
};

// kBadRequest with the reason. Trailing bytes are refused.
Result<Message> decode(std::string_view packet);

// At most `size_max` bytes: records that do not fit are left out whole, and TC is set unless only additional
// ones are missing.
std::string encode(const Message& message, std::size_t size_max);

// For a packet that does not decode: the FORMERR answer, or "" when not even that is deserved (a response, or
// no header).
std::string form_error_for(std::string_view packet);

// Record data. An A or AAAA record holds address_bytes().
std::string srv_rdata(std::uint16_t priority, std::uint16_t weight, std::uint16_t port,
                      std::string_view target);
std::string txt_rdata(std::string_view text);
struct Soa {
  std::uint32_t serial = 0, refresh = 0, retry = 0, expire = 0, minimum = 0;
};
std::string soa_rdata(std::string_view primary, std::string_view mailbox, const Soa& soa);

// "10.0.0.1" or "fd00::1" as its 4 or 16 bytes in network order; nullopt otherwise. And back.
std::optional<std::string> address_bytes(std::string_view text);
std::string address_text(std::string_view bytes);

}  // namespace mk::dns
