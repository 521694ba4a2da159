#include <array>

#include "check/functions.h"
#include "library/opaque.h"
#include "mk/api/validation.h"
#include "mk/base/strings.h"

// format.dns1123Label().validate(text) and its siblings: optional.none() when right, else what is wrong.
namespace mk::cel {

namespace {

using Check = std::vector<std::string> (*)(std::string_view text);

template <std::string (*kCheck)(std::string_view)>
std::vector<std::string> checked(std::string_view text) {
  const std::string wrong = kCheck(text);
  return wrong.empty() ? std::vector<std::string>() : std::vector<std::string>{wrong};
}

// A name that will be followed by a generated ending may end with '-'.
template <std::string (*kCheck)(std::string_view)>
std::vector<std::string> checked_prefix(std::string_view text) {
  std::string whole(text);
  if (!whole.empty() && whole.back() == '-') whole.back() = 'a';
  return checked<kCheck>(whole);
}

std::vector<std::string> complain_unless(bool right, std::string_view message) {
  return right ? std::vector<std::string>() : std::vector<std::string>{std::string(message)};
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

std::vector<std::string> check_uri(std::string_view text) {
  Value parsed = Value::string_view(text);
  const Value arguments[] = {parsed};
  for (const auto& row : url_functions()) {
    if (std::string_view(row.signature).starts_with("isURL("))
      return complain_unless(row.run(arguments).is_true(), "invalid URI for request");
  }
  return {};
}
std::vector<std::string> check_uuid(std::string_view text) {
  const auto parts = split(text, '-');
  static constexpr std::array<std::size_t, 5> kSizes{8, 4, 4, 4, 12};
  bool right = parts.size() == kSizes.size();
  for (std::size_t i = 0; right && i < parts.size(); ++i)
    right = parts[i].size() == kSizes[i] && is_hex(parts[i]);
  return complain_unless(right, "does not match the UUID format");
}
std::vector<std::string> check_byte(std::string_view text) {
  return complain_unless(base64_decode(text).has_value(), "invalid base64");
}
std::vector<std::string> check_date(std::string_view text) {
  return complain_unless(parse_timestamp(std::string(text) + "T00:00:00Z").has_value(), "invalid date");
}
std::vector<std::string> check_date_time(std::string_view text) {
  return complain_unless(parse_timestamp(text).has_value(), "invalid datetime");
}

struct NamedFormat {
  const char* name;
  Check check;
};
constexpr NamedFormat kFormats[] = {{"dns1123Label", checked<api::check_dns1123_label>},
                                    {"dns1123Subdomain", checked<api::check_dns1123_subdomain>},
                                    {"dns1035Label", checked<api::check_dns1035_label>},
                                    {"qualifiedName", checked<api::check_qualified_name>},
                                    {"dns1123LabelPrefix", checked_prefix<api::check_dns1123_label>},
                                    {"dns1123SubdomainPrefix", checked_prefix<api::check_dns1123_subdomain>},
                                    {"dns1035LabelPrefix", checked_prefix<api::check_dns1035_label>},
                                    {"labelValue", checked<api::check_label_value>},
                                    {"uri", check_uri},
                                    {"uuid", check_uuid},
                                    {"byte", check_byte},
                                    {"date", check_date},
                                    {"datetime", check_date_time}};

struct FormatKind {
  static constexpr const char* kName = "kubernetes.NamedFormat";
};
using Box = Boxed<FormatKind, const NamedFormat*>;

template <std::size_t kIndex>
Value get(Arguments) {
  return Box::box(&kFormats[kIndex]);
}

Value named(Arguments a) {
  for (const auto& format : kFormats) {
    if (a[0].as_string() == format.name) return Value::optional(Box::box(&format));
  }
  return Value::none();
}

Value validate(Arguments a) {
  const auto wrong = Box::of(a[0])->check(a[1].as_string());
  if (wrong.empty()) return Value::none();
  std::vector<Value> out;
  for (const auto& each : wrong) out.push_back(Value::string(each));
  return Value::optional(Value::list(std::move(out)));
}

constexpr FunctionRow kRows[] = {
    {"format.named(string): optional<kubernetes.NamedFormat>", named},
    {"kubernetes.NamedFormat::validate(string): optional<list<string>>", validate},
    {"format.dns1123Label(): kubernetes.NamedFormat", get<0>},
    {"format.dns1123Subdomain(): kubernetes.NamedFormat", get<1>},
    {"format.dns1035Label(): kubernetes.NamedFormat", get<2>},
    {"format.qualifiedName(): kubernetes.NamedFormat", get<3>},
    {"format.dns1123LabelPrefix(): kubernetes.NamedFormat", get<4>},
    {"format.dns1123SubdomainPrefix(): kubernetes.NamedFormat", get<5>},
    {"format.dns1035LabelPrefix(): kubernetes.NamedFormat", get<6>},
    {"format.labelValue(): kubernetes.NamedFormat", get<7>},
    {"format.uri(): kubernetes.NamedFormat", get<8>},
    {"format.uuid(): kubernetes.NamedFormat", get<9>},
    {"format.byte(): kubernetes.NamedFormat", get<10>},
    {"format.date(): kubernetes.NamedFormat", get<11>},
    {"format.datetime(): kubernetes.NamedFormat", get<12>}};

}  // namespace

std::span<const FunctionRow> named_format_functions() {
  return kRows;
}

}  // namespace mk::cel
