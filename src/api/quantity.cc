#include "mk/api/quantity.h"

#include <array>

namespace mk::api {
namespace {

using Wide = __int128;

constexpr Wide kNano = 1'000'000'000;
constexpr Wide kUnitsMax = INT64_MAX;
// Room for sums of large quantities; what a single quantity may hold without being capped.
constexpr Wide kNanosMax = kNano * kNano * kNano * 100;

constexpr const char* kFormatWrong =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
constexpr const char* kSuffixWrong = "unable to parse quantity's suffix";

struct Suffix {
  std::string_view text;
  int exponent;  // of ten, or of two
};
constexpr std::array<Suffix, 10> kDecimal = {{{"n", -9},
                                              {"u", -6},
                                              {"m", -3},
                                              {"", 0},
                                              {"k", 3},
                                              {"M", 6},
                                              {"G", 9},
                                              {"T", 12},
                                              {"P", 15},
                                              {"E", 18}}};
constexpr std::array<Suffix, 6> kBinary = {
    {{"Ki", 10}, {"Mi", 20}, {"Gi", 30}, {"Ti", 40}, {"Pi", 50}, {"Ei", 60}}};

Error bad(const char* text) {
  return Error(Reason::kBadRequest, text);
}

bool digit(char c) {
  return c >= '0' && c <= '9';
}

// The text of a quantity, taken apart but not yet weighed.
struct Parts {
  bool negative = false;
  std::string_view whole, fraction, suffix;
};

Result<Parts> take_apart(std::string_view text) {
  Parts parts;
  std::size_t at = 0;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) parts.negative = text[at++] == '-';
  const auto digits = [&] {
    const auto start = at;
    while (at < text.size() && digit(text[at])) ++at;
    return text.substr(start, at - start);
  };
  parts.whole = digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    parts.fraction = digits();
  }
  if (parts.whole.empty() && parts.fraction.empty()) return bad(kFormatWrong);
  parts.suffix = text.substr(at);
  for (const char c : parts.suffix) {
    if (!digit(c) && std::string_view("eEinumkKMGTP+-").find(c) == std::string_view::npos)
      return bad(kFormatWrong);
  }
  return parts;
}

struct Scale {
  enum class Base { kTen, kTwo, kTenExponent } base = Base::kTen;
  int exponent = 0;
};

Result<Scale> parse_suffix(std::string_view text) {
  for (const auto& suffix : kDecimal) {
    if (suffix.text == text) return Scale{Scale::Base::kTen, suffix.exponent};
  }
  for (const auto& suffix : kBinary) {
    if (suffix.text == text) return Scale{Scale::Base::kTwo, suffix.exponent};
  }
  if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return bad(kSuffixWrong);
  std::size_t at = 1;
  const bool negative = text[at] == '-';
  if (text[at] == '-' || text[at] == '+') ++at;
  if (at == text.size()) return bad(kSuffixWrong);
  int exponent = 0;
  for (; at < text.size(); ++at) {
    if (!digit(text[at]) || exponent > 1000) return bad(kSuffixWrong);
    exponent = exponent * 10 + (text[at] - '0');
  }
  return Scale{Scale::Base::kTenExponent, negative ? -exponent : exponent};
}

// The magnitude in nano-units, rounded up; capped at 2^63-1 units where 128 bits do not hold it.
Wide weigh(const Parts& parts, const Scale& scale) {
  constexpr Wide kCap = kUnitsMax * kNano;
  const int ten = scale.base == Scale::Base::kTwo ? 0 : scale.exponent;
  const Wide two = scale.base == Scale::Base::kTwo ? Wide(1) << scale.exponent : 1;
  // Digits with their decimal weights: digit d at weight w adds d * 10^(w + ten + 9) * two nanos.
  Wide nanos = 0;
  bool lost = false;
  const std::string digits = std::string(parts.whole) + std::string(parts.fraction);
  int weight = static_cast<int>(parts.whole.size()) - 1 + ten + 9;
  const int binary_digits =
      scale.base == Scale::Base::kTwo ? 19 : 0;  // 0.1Ki: digits below a nano still count
  Wide below = 0;
  int below_used = 0;
  for (const char c : digits) {
    const int d = c - '0';
    if (weight >= 0) {
      if (nanos > kNanosMax / two) return kCap;
      nanos = nanos * 10 + d;
    } else if (below_used < binary_digits) {
      below = below * 10 + d;
      ++below_used;
    } else {
      lost = lost || d != 0;
    }
    --weight;
  }
  for (; weight >= 0 && nanos != 0; --weight) {
    if (nanos > kNanosMax / two) return kCap;
    nanos *= 10;
  }
  if (nanos > kNanosMax / two) return kCap;
  nanos *= two;
  if (below != 0) {
    Wide unit = 1;
    for (int i = 0; i < below_used; ++i) unit *= 10;
    // below < 10^19 and two <= 2^60: the product fits 127 bits.
    const Wide product = below * two;
    nanos += product / unit;
    lost = lost || product % unit != 0;
  }
  return nanos + (lost ? 1 : 0);
}

std::string wide_text(Wide value) {
  if (value == 0) return "0";
  const bool negative = value < 0;
  std::string out;
  for (Wide rest = negative ? -value : value; rest != 0; rest /= 10)
    out.insert(out.begin(), char('0' + int(rest % 10)));
  return negative ? "-" + out : out;
}

std::int64_t rounded_up(Wide nanos, Wide unit) {
  Wide whole = nanos / unit;
  if (nanos % unit > 0) ++whole;
  if (nanos % unit < 0) --whole;  // away from zero, as Kubernetes rounds
  if (whole > kUnitsMax) return INT64_MAX;
  if (whole < -kUnitsMax) return INT64_MIN;
  return static_cast<std::int64_t>(whole);
}

Wide saturate(Wide nanos) {
  if (nanos > kNanosMax) return kNanosMax;
  if (nanos < -kNanosMax) return -kNanosMax;
  return nanos;
}

}  // namespace

Result<Quantity> Quantity::parse(std::string_view text) {
  MK_ASSIGN(const Parts parts, take_apart(text));
  MK_ASSIGN(const Scale scale, parse_suffix(parts.suffix));
  Quantity quantity;
  quantity.nanos_ = weigh(parts, scale);
  if (parts.negative) quantity.nanos_ = -quantity.nanos_;
  quantity.format_ = scale.base == Scale::Base::kTwo   ? Format::kBinarySi
                     : scale.base == Scale::Base::kTen ? Format::kDecimalSi
                                                       : Format::kDecimalExponent;
  return quantity;
}

Quantity Quantity::of(std::int64_t units) {
  Quantity quantity;
  quantity.nanos_ = Wide(units) * kNano;
  return quantity;
}

Quantity Quantity::milli(std::int64_t thousandths) {
  Quantity quantity;
  quantity.nanos_ = Wide(thousandths) * (kNano / 1000);
  return quantity;
}

std::int64_t Quantity::value() const {
  return rounded_up(nanos_, kNano);
}
std::int64_t Quantity::milli_value() const {
  return rounded_up(nanos_, kNano / 1000);
}

std::string Quantity::str() const {
  if (nanos_ == 0) return "0";
  const Wide magnitude = nanos_ < 0 ? -nanos_ : nanos_;
  if (format_ == Format::kBinarySi && magnitude >= 1024 * kNano && magnitude % kNano == 0) {
    Wide units = nanos_ / kNano;
    std::string_view suffix;
    for (std::size_t i = 0; i < kBinary.size() && units % 1024 == 0; ++i) {
      units /= 1024;
      suffix = kBinary[i].text;
    }
    return wide_text(units) + std::string(suffix);
  }
  Wide mantissa = nanos_;
  std::size_t step = 0;
  while (step + 1 < kDecimal.size() && mantissa % 1000 == 0) {
    mantissa /= 1000;
    ++step;
  }
  if (format_ != Format::kDecimalExponent) return wide_text(mantissa) + std::string(kDecimal[step].text);
  const int exponent = kDecimal[step].exponent;
  return wide_text(mantissa) + (exponent == 0 ? "" : "e" + std::to_string(exponent));
}

Quantity Quantity::operator+(const Quantity& other) const {
  Quantity sum = *this;
  if (nanos_ == 0) sum.format_ = other.format_;  // an empty sum takes the suffix family of what it counts
  sum.nanos_ = saturate(nanos_ + other.nanos_);
  return sum;
}

Quantity Quantity::operator-(const Quantity& other) const {
  Quantity difference = *this;
  if (nanos_ == 0) difference.format_ = other.format_;
  difference.nanos_ = saturate(nanos_ - other.nanos_);
  return difference;
}

std::strong_ordering Quantity::operator<=>(const Quantity& other) const {
  if (nanos_ < other.nanos_) return std::strong_ordering::less;
  return nanos_ > other.nanos_ ? std::strong_ordering::greater : std::strong_ordering::equal;
}

}  // namespace mk::api
