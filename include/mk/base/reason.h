#pragma once

#include <string_view>

namespace mk {

// Why something failed, in Kubernetes' own words: metav1.StatusReason. One list for the whole program, so
// that an error keeps its meaning from the store to the client that shows it.
enum class Reason {
  kUnknown,
  kBadRequest,
  kUnauthorized,
  kForbidden,
  kNotFound,
  kAlreadyExists,
  kConflict,
  kGone,
  kInvalid,
  kExpired,
  kServerTimeout,
  kTimeout,
  kTooManyRequests,
  kMethodNotAllowed,
  kNotAcceptable,
  kRequestEntityTooLarge,
  kUnsupportedMediaType,
  kInternalError,
  kServiceUnavailable,
};

// The spelling of metav1.StatusReason ("NotFound"); "" for kUnknown.
std::string_view to_string(Reason reason);
// The inverse; kUnknown for anything else.
Reason reason_from_string(std::string_view text);

// The HTTP status code Kubernetes sends with a reason, and the best reason for a bare code.
int http_code(Reason reason);
Reason reason_from_http(int code);

}  // namespace mk
