#include "message.h"

#include <arpa/inet.h>

#include "names.h"

namespace mk::dns {

namespace {

constexpr std::size_t kHeaderSize = 12;
constexpr std::size_t kOptSize = 11;

Error malformed(std::string_view what) {
  return Error(Reason::kBadRequest, "malformed DNS message: " + std::string(what));
}

// Reads big-endian fields; after a read past the end everything reads as zero and bad() is true.
class Reader {
 public:
  explicit Reader(std::string_view packet) : packet_(packet) {}

  std::uint8_t u8() { return take(1) ? static_cast<std::uint8_t>(packet_[at_ - 1]) : 0; }
  std::uint16_t u16() {
    const std::uint16_t high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  std::string_view bytes(std::size_t count) {
    return take(count) ? packet_.substr(at_ - count, count) : std::string_view();
  }
  Name name() {
    auto read = read_name(packet_, at_);
    if (!read) return bad_ = true, Name();
    at_ = read->next;
    return std::move(read->name);
  }

  std::size_t at() const { return at_; }
  bool bad() const { return bad_; }
  void fail() { bad_ = true; }
  bool at_end() const { return at_ == packet_.size(); }

 private:
  bool take(std::size_t count) {
    if (bad_ || packet_.size() - at_ < count) return bad_ = true, false;
    at_ += count;
    return true;
  }

  std::string_view packet_;
  std::size_t at_ = 0;
  bool bad_ = false;
};

void put16(std::string& out, std::uint16_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value);
}

void put32(std::string& out, std::uint32_t value) {
  put16(out, static_cast<std::uint16_t>(value >> 16));
  put16(out, static_cast<std::uint16_t>(value));
}

// Where names stand in the data of a type: `fixed` bytes, then `names` names, then `rest` bytes exactly. Only
// the types of RFC 1035 (and SRV, which some servers compress all the same) may hold compressed names.
struct RdataShape {
  std::size_t fixed = 0;
  int names = 0;
  std::size_t rest = 0;
};

std::optional<RdataShape> shape_of(std::uint16_t type) {
  switch (type) {
    case kNs:
    case kCname:
    case kPtr:
      return RdataShape{0, 1, 0};
    case kMx:
      return RdataShape{2, 1, 0};
    case kSoa:
      return RdataShape{0, 2, 20};
    case kSrv:
      return RdataShape{6, 1, 0};
    default:
      return std::nullopt;
  }
}

std::string read_rdata(Reader& in, std::uint16_t type, std::size_t length) {
  const auto shape = shape_of(type);
  if (!shape) {
    const auto data = in.bytes(length);
    if ((type == kA && length != 4) || (type == kAaaa && length != 16)) in.fail();
    return std::string(data);
  }
  const std::size_t end = in.at() + length;
  std::string data(in.bytes(shape->fixed));
  for (int i = 0; i < shape->names; ++i) data += in.name();
  data += in.bytes(shape->rest);
  if (in.at() != end) in.fail();
  return data;
}

Record read_record(Reader& in) {
  Record record;
  record.name = in.name();
  record.type = in.u16();
  record.klass = in.u16();
  record.ttl = in.u32();
  const std::size_t length = in.u16();
  if (!in.bad()) record.rdata = read_rdata(in, record.type, length);
  return record;
}

// The OPT record's fields lie in class and ttl (RFC 6891, 6.1.3).
bool take_opt(Message& message, const Record& record) {
  if (message.edns || record.name.size() != 1) return false;
  Edns edns;
  edns.udp_size = record.klass;
  edns.version = static_cast<std::uint8_t>(record.ttl >> 16);
  edns.dnssec_ok = (record.ttl & 0x8000) != 0;
  message.rcode = static_cast<std::uint16_t>(message.rcode | (record.ttl >> 24) << 4);
  message.edns = edns;
  return true;
}

void read_flags(Message& message, std::uint16_t flags) {
  message.response = flags & 0x8000;
  message.opcode = flags >> 11 & 0xf;
  message.authoritative = flags & 0x0400;
  message.truncated = flags & 0x0200;
  message.recursion_desired = flags & 0x0100;
  message.recursion_available = flags & 0x0080;
  message.authentic = flags & 0x0020;
  message.checking_disabled = flags & 0x0010;
  message.rcode = flags & 0xf;
}

std::uint16_t flags_of(const Message& message) {
  return static_cast<std::uint16_t>(
      (message.response ? 0x8000 : 0) | (message.opcode & 0xf) << 11 | (message.authoritative ? 0x0400 : 0) |
      (message.truncated ? 0x0200 : 0) | (message.recursion_desired ? 0x0100 : 0) |
      (message.recursion_available ? 0x0080 : 0) | (message.authentic ? 0x0020 : 0) |
      (message.checking_disabled ? 0x0010 : 0) | (message.rcode & 0xf));
}

// Writes records, compressing names against those already written, and undoes a record that does not fit.
class Writer {
 public:
  explicit Writer(std::size_t size_max) : size_max_(size_max) { out_.resize(kHeaderSize); }

  bool question(const Question& question) {
    names_.write(out_, question.name);
    put16(out_, question.type);
    put16(out_, question.klass);
    return out_.size() <= size_max_;
  }

  bool record(const Record& record) {
    const std::size_t before = out_.size();
    names_.write(out_, record.name);
    put16(out_, record.type);
    put16(out_, record.klass);
    put32(out_, record.ttl);
    const std::size_t length_at = out_.size();
    put16(out_, 0);
    rdata(record);
    const std::size_t length = out_.size() - length_at - 2;
    if (out_.size() > size_max_ || length > 0xffff) {
      out_.resize(before);
      names_.forget_from(before);
      return false;
    }
    out_[length_at] = static_cast<char>(length >> 8);
    out_[length_at + 1] = static_cast<char>(length);
    return true;
  }

  std::string& out() { return out_; }
  void limit(std::size_t size_max) { size_max_ = size_max; }

 private:
  // SRV targets stay whole (RFC 2782).
  void rdata(const Record& record) {
    const auto shape = record.type == kSrv ? std::nullopt : shape_of(record.type);
    if (!shape) {
      out_ += record.rdata;
      return;
    }
    std::string_view data = record.rdata;
    out_ += data.substr(0, shape->fixed);
    data.remove_prefix(std::min(shape->fixed, data.size()));
    for (int i = 0; i < shape->names; ++i) {
      const std::size_t size = name_size(data);
      names_.write(out_, data.substr(0, size));
      data.remove_prefix(size);
    }
    out_ += data;
  }

  std::string out_;
  std::size_t size_max_;
  NameCompressor names_;
};

std::uint16_t write_section(Writer& writer, const std::vector<Record>& records, bool& complete) {
  std::uint16_t written = 0;
  for (const auto& record : records) {
    if (!complete || written == 0xffff || !writer.record(record)) return complete = false, written;
    ++written;
  }
  return written;
}

Record opt_record(const Message& message) {
  Record record;
  record.name = Name(1, '\0');
  record.type = kOpt;
  record.klass = message.edns->udp_size;
  record.ttl = static_cast<std::uint32_t>(message.rcode >> 4) << 24 |
               static_cast<std::uint32_t>(message.edns->version) << 16 |
               (message.edns->dnssec_ok ? 0x8000 : 0);
  return record;
}

void write_header(std::string& out, const Message& message, const std::uint16_t (&counts)[4]) {
  std::string header;
  put16(header, message.id);
  put16(header, flags_of(message));
  for (auto count : counts) put16(header, count);
  out.replace(0, kHeaderSize, header);
}

}  // namespace

Result<Message> decode(std::string_view packet) {
  Reader in(packet);
  Message message;
  message.id = in.u16();
  read_flags(message, in.u16());
  const std::uint16_t counts[4] = {in.u16(), in.u16(), in.u16(), in.u16()};
  if (in.bad()) return malformed("shorter than its header");
  for (int i = 0; i < counts[0] && !in.bad(); ++i) {
    Question question;
    question.name = in.name();
    question.type = in.u16();
    question.klass = in.u16();
    message.questions.push_back(std::move(question));
  }
  std::vector<Record>* sections[3] = {&message.answers, &message.authorities, &message.additionals};
  for (int section = 0; section < 3; ++section) {
    for (int i = 0; i < counts[section + 1] && !in.bad(); ++i) {
      Record record = read_record(in);
      if (in.bad()) break;
      if (record.type != kOpt) {
        sections[section]->push_back(std::move(record));
      } else if (section != 2 || !take_opt(message, record)) {
        return malformed("an OPT record where none may be");
      }
    }
  }
  if (in.bad()) return malformed("a name or record runs past its bounds");
  if (!in.at_end()) return malformed("bytes after the last record");
  return message;
}

std::string encode(const Message& message, std::size_t size_max) {
  const std::size_t reserved = message.edns ? kOptSize : 0;
  Writer writer(size_max > reserved ? size_max - reserved : 0);
  Message head = message;
  head.answers.clear(), head.authorities.clear(), head.additionals.clear();
  std::uint16_t counts[4] = {};
  for (const auto& question : message.questions) {
    writer.question(question);
    ++counts[0];
  }
  bool complete = true;
  counts[1] = write_section(writer, message.answers, complete);
  counts[2] = write_section(writer, message.authorities, complete);
  if (!complete) head.truncated = true;
  counts[3] = write_section(writer, message.additionals, complete);
  if (message.edns) {
    writer.limit(SIZE_MAX);
    if (writer.record(opt_record(message))) ++counts[3];
  }
  write_header(writer.out(), head, counts);
  return std::move(writer.out());
}

std::string form_error_for(std::string_view packet) {
  Reader in(packet);
  Message answer;
  answer.id = in.u16();
  read_flags(answer, in.u16());
  if (packet.size() < kHeaderSize || answer.response) return {};
  answer.response = true;
  answer.authoritative = answer.truncated = answer.authentic = false;
  answer.rcode = kFormErr;
  return encode(answer, 512);
}

std::string srv_rdata(std::uint16_t priority, std::uint16_t weight, std::uint16_t port,
                      std::string_view target) {
  std::string data;
  put16(data, priority);
  put16(data, weight);
  put16(data, port);
  return data.append(target);
}

std::string txt_rdata(std::string_view text) {
  std::string data;
  do {
    const auto part = text.substr(0, 255);
    data += static_cast<char>(part.size());
    data += part;
    text.remove_prefix(part.size());
  } while (!text.empty());
  return data;
}

std::string soa_rdata(std::string_view primary, std::string_view mailbox, const Soa& soa) {
  std::string data(primary);
  data += mailbox;
  for (auto value : {soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum}) put32(data, value);
  return data;
}

std::optional<std::string> address_bytes(std::string_view text) {
  const std::string copy(text);
  char bytes[16];
  if (inet_pton(AF_INET, copy.c_str(), bytes) == 1) return std::string(bytes, 4);
  if (inet_pton(AF_INET6, copy.c_str(), bytes) == 1) return std::string(bytes, 16);
  return std::nullopt;
}

std::string address_text(std::string_view bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  if (bytes.size() == 4) inet_ntop(AF_INET, bytes.data(), text, sizeof text);
  if (bytes.size() == 16) inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

}  // namespace mk::dns
