#pragma once

#include <optional>

#include "registry/strategies/fields.h"

// util/intstr: a number, or a percentage of something.
namespace mk::apiserver {

bool is_percent(const api::Json& value);
// The percentage of a valid one ("25%"), or nullopt.
std::optional<std::int64_t> percent_of(const api::Json& value);
// A number >= 0 or a percentage.
void validate_int_or_percent(const api::Json& value, const Path& path, Report& report);
void validate_at_most_100_percent(const api::Json& value, const Path& path, Report& report);
// Is the value 0 or "0%"?
bool is_zero(const api::Json* value);
// Scaled against `total`; `round_up` as maxSurge does, down as maxUnavailable does. Not a percentage or
// number: 0.
std::int64_t scaled(const api::Json& value, std::int64_t total, bool round_up);

// A port as number or name.
void validate_port_ref(const api::Json& value, const Path& path, Report& report);

}  // namespace mk::apiserver
