#pragma once

#include <string_view>
#include <vector>

#include "mk/api/json.h"

namespace mk::api {

// The lines of a fuzzer's input as JSON, `count` of them; nothing when one is missing or no JSON.
inline std::vector<Json> json_lines(std::string_view input, std::size_t count) {
  std::vector<Json> out;
  while (out.size() < count) {
    const auto end = input.find('\n');
    auto parsed = parse_json(input.substr(0, end));
    if (!parsed.ok()) return {};
    out.push_back(std::move(*parsed));
    input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
  }
  return out;
}

}  // namespace mk::api
