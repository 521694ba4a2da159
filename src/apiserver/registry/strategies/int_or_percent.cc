#include "registry/strategies/int_or_percent.h"

#include "mk/base/strings.h"
#include "registry/strategies/names.h"

namespace mk::apiserver {

using api::Json;

std::optional<std::int64_t> percent_of(const Json& value) {
  const auto text = text_of(value);
  if (text.size() < 2 || text.back() != '%' || text.front() == '-') return std::nullopt;
  return parse_int(text.substr(0, text.size() - 1));
}

bool is_percent(const Json& value) {
  return percent_of(value).has_value();
}

void validate_int_or_percent(const Json& value, const Path& path, Report& report) {
  if (value.is_string()) {
    if (!is_percent(value)) {
      report.invalid(
          path, value,
          "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
          "'93%', regex used for validation is '[0-9]+%')");
    }
    return;
  }
  if (const auto number = api::num(value, ""); number < 0) report.invalid(path, number, kNotNegative);
}

void validate_at_most_100_percent(const Json& value, const Path& path, Report& report) {
  if (const auto percent = percent_of(value); percent && *percent > 100) {
    report.invalid(path, value, "must not be greater than 100%");
  }
}

bool is_zero(const Json* value) {
  if (value == nullptr) return true;
  if (value->is_string()) return percent_of(*value).value_or(1) == 0;
  return api::num(*value, "") == 0;
}

std::int64_t scaled(const Json& value, std::int64_t total, bool round_up) {
  if (!value.is_string()) return api::num(value, "");
  const auto percent = percent_of(value).value_or(0);
  return (percent * total + (round_up ? 99 : 0)) / 100;
}

void validate_port_ref(const Json& value, const Path& path, Report& report) {
  if (value.is_string()) {
    report.check(path, text_of(value), check_port_name(text_of(value)));
  } else if (const auto port = api::num(value, ""); !check_port_number(port).empty()) {
    report.invalid(path, port, kPortRange);
  }
}

}  // namespace mk::apiserver
