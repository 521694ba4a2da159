#pragma once

#include <string>
#include <string_view>

#include "registry/strategies/fields.h"

// Names that are not object names: environment variables, ports, keys of ConfigMaps, paths. Each check
// answers what is wrong, or "".
namespace mk::apiserver {

std::string check_port_name(
    std::string_view name);  // IANA service name: lower case, a letter in it, at most 15
std::string check_port_number(std::int64_t port);       // 1-65535
std::string check_env_name(std::string_view name);      // any printable ASCII but '='
std::string check_c_identifier(std::string_view name);  // prefix of envFrom
std::string check_config_key(std::string_view key);     // keys of ConfigMap and Secret
std::string check_path_segment_name(std::string_view name);
std::string check_http_header_name(std::string_view name);
// A relative path that stays below its base.
void check_local_path(std::string_view text, const Path& path, Report& report);  // not absolute, no ".."
void check_no_backsteps(std::string_view text, const Path& path, Report& report);
// "10.0.0.0/8", "fd00::/8"; what is wrong, or "".
std::string check_cidr(std::string_view text);
// One of the forms "name" or "domain/name" that must carry a domain, like finalizers and scheduling gates.
void check_qualified(std::string_view text, const Path& path, Report& report);

inline constexpr std::string_view kPortRange = "must be between 1 and 65535, inclusive";

}  // namespace mk::apiserver
