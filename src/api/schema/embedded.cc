#include "schema/embedded.h"

#include <cctype>

extern "C" {
extern const char mk_api_schema_begin[], mk_api_schema_end[];
extern const char mk_api_discovery_begin[], mk_api_discovery_end[];
extern const char mk_api_protobuf_begin[], mk_api_protobuf_end[];
}

namespace mk::api {

std::string_view embedded_schema() {
  return {mk_api_schema_begin, static_cast<std::size_t>(mk_api_schema_end - mk_api_schema_begin)};
}

std::string_view embedded_discovery() {
  return {mk_api_discovery_begin, static_cast<std::size_t>(mk_api_discovery_end - mk_api_discovery_begin)};
}

std::string_view embedded_protobuf() {
  return {mk_api_protobuf_begin, static_cast<std::size_t>(mk_api_protobuf_end - mk_api_protobuf_begin)};
}

bool is_prerelease(std::string_view name) {
  for (const std::string_view stage : {"alpha", "beta"}) {
    const auto at = name.find(stage);
    if (at == std::string_view::npos || at == 0) continue;
    // A version spells it v<digits>alpha<digits>; a type name that merely contains the word does not.
    if (std::isdigit(static_cast<unsigned char>(name[at - 1]))) return true;
  }
  return false;
}

}  // namespace mk::api
