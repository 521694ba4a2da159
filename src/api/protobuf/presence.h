#pragma once

#include <string_view>

namespace mk::api::protobuf {

// Clients write every scalar of a message, so a zero on the wire usually means "not set". Not so for fields
// where leaving them out means something else than zero: there the API documents a default other than zero,
// or a meaning of absence ("unlimited", "inherited", "undecided"), and a zero was really said.
bool has_presence(std::string_view json_field);

}  // namespace mk::api::protobuf
