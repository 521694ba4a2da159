#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mk/api/json.h"

namespace mk::api {

// Kubernetes' JSONPath templates: text with expressions in braces. Understood: $ @ .name ['name'] [n] [a:b:c]
// [a,b] [*] .* ..name [?(@.x==y)] {range}...{end} {"text"}. Keys with dots: {.metadata.labels.a\.b}.
class JsonPath {
 public:
  static Result<JsonPath> parse(std::string_view source);
  // One expression as custom columns and --sort-by write it: "metadata.name", ".metadata.name",
  // "{.metadata.name}".
  static Result<JsonPath> parse_relaxed(std::string_view source);

  // Missing keys give nothing; an index out of bounds is an error.
  Result<std::string> print(const Json& root) const;
  // The values of a template that is one expression.
  Result<std::vector<const Json*>> find(const Json& root) const;

  struct Node;

 private:
  std::shared_ptr<const std::vector<Node>> nodes_;
};

// Strings bare, everything else as JSON.
std::string plain_text(const Json& value);

}  // namespace mk::api
