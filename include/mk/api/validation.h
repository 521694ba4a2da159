#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mk/api/json.h"
#include "mk/api/resource.h"
#include "mk/base/result.h"

namespace mk::api {

// Field errors in Kubernetes' words: field.Required(...) and friends. `value` is the bad value's JSON text.
Cause required(std::string field, std::string_view detail = "");
Cause invalid(std::string field, std::string_view value, std::string_view detail);
Cause not_supported(std::string field, std::string_view value, const std::vector<std::string>& supported);
Cause forbidden(std::string field, std::string_view detail);
Cause duplicate(std::string field, std::string_view value);
Cause too_long(std::string field, std::size_t length_max);
Cause immutable(std::string field, std::string_view value);  // invalid(..., "field is immutable")

// `Pod "x" is invalid: spec.containers[0].name: Required value` with its causes; kInvalid.
Error invalid_object(const Gvk& kind, std::string_view name, std::vector<Cause> causes);

// The text of what is wrong, or "" when right.
std::string check_dns1123_label(std::string_view text);
std::string check_dns1123_subdomain(std::string_view text);
std::string check_dns1035_label(std::string_view text);
std::string check_qualified_name(std::string_view text);  // label and annotation keys
std::string check_label_value(std::string_view text);
std::string check_ip(std::string_view text);

// metadata: name (by the kind's rule), namespace, labels, annotations, owner references, finalizers.
void validate_metadata(const ResourceInfo& resource, const Json& object, std::vector<Cause>& causes);

}  // namespace mk::api
