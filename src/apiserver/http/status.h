#pragma once

#include "mk/api/json.h"
#include "mk/base/result.h"

namespace mk::apiserver {

// The cause by which an expired list carries the token to go on with; clients look for it in the Status'
// metadata.
inline constexpr std::string_view kContinueField = "metadata.continue";

// metav1.Status of an error, and of a success.
api::Json status_of(const Error& error);
api::Json success_status(std::string_view group, std::string_view kind, std::string_view name,
                         std::string_view uid);

}  // namespace mk::apiserver
