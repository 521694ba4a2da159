#pragma once

#include <string_view>

namespace mk::api::protobuf {

// JSON text can hold nothing else, and what is accepted here is stored as JSON.
bool valid_utf8(std::string_view text);

}  // namespace mk::api::protobuf
