#include "mk/base/reason.h"

#include <array>

namespace mk {
namespace {

struct Row {
  Reason reason;
  std::string_view name;
  int code;
};

// The one table between reasons, their spelling and HTTP (apimachinery's errors package).
constexpr std::array kTable = {
    Row{Reason::kUnknown, "", 500},
    Row{Reason::kBadRequest, "BadRequest", 400},
    Row{Reason::kUnauthorized, "Unauthorized", 401},
    Row{Reason::kForbidden, "Forbidden", 403},
    Row{Reason::kNotFound, "NotFound", 404},
    Row{Reason::kMethodNotAllowed, "MethodNotAllowed", 405},
    Row{Reason::kNotAcceptable, "NotAcceptable", 406},
    Row{Reason::kConflict, "Conflict", 409},
    Row{Reason::kAlreadyExists, "AlreadyExists", 409},
    Row{Reason::kGone, "Gone", 410},
    Row{Reason::kExpired, "Expired", 410},
    Row{Reason::kRequestEntityTooLarge, "RequestEntityTooLarge", 413},
    Row{Reason::kUnsupportedMediaType, "UnsupportedMediaType", 415},
    Row{Reason::kInvalid, "Invalid", 422},
    Row{Reason::kTooManyRequests, "TooManyRequests", 429},
    Row{Reason::kInternalError, "InternalError", 500},
    Row{Reason::kServiceUnavailable, "ServiceUnavailable", 503},
    Row{Reason::kServerTimeout, "ServerTimeout", 500},
    Row{Reason::kTimeout, "Timeout", 504},
};

}  // namespace

std::string_view to_string(Reason reason) {
  for (const auto& row : kTable)
    if (row.reason == reason) return row.name;
  return "";
}

Reason reason_from_string(std::string_view text) {
  for (const auto& row : kTable)
    if (row.name == text) return row.reason;
  return Reason::kUnknown;
}

int http_code(Reason reason) {
  for (const auto& row : kTable)
    if (row.reason == reason) return row.code;
  return 500;
}

Reason reason_from_http(int code) {
  for (const auto& row : kTable)
    if (row.code == code && row.reason != Reason::kUnknown) return row.reason;
  return Reason::kUnknown;
}

}  // namespace mk
