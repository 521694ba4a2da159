#pragma once

#include <string>

#include "mk/api/resource.h"
#include "mk/api/types.h"
#include "mk/base/result.h"

// The registry's errors in Kubernetes' words, with the details clients look at (group, kind, name).
namespace mk::apiserver {

Error not_found(const api::Gvr& resource, std::string_view name);
Error already_exists(const api::Gvr& resource, std::string_view name);
// Somebody else wrote in between; `why` defaults to the text every client knows.
Error write_conflict(const api::Gvr& resource, std::string_view name, std::string_view why = {});
Error method_not_supported(const api::Gvr& resource, std::string_view verb);

}  // namespace mk::apiserver
