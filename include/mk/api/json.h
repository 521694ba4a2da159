#pragma once

#include <boost/json/value.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "mk/base/result.h"

// JSON as the API speaks it: Boost.JSON's value, plus the few accessors that never throw. Rooms above read
// API objects through these (or through views), never with at() or as_*() on foreign data.
namespace mk::api {

using Json = boost::json::value;
using JsonObject = boost::json::object;
using JsonArray = boost::json::array;

// A JSON string; Boost's value does not take the standard library's text types.
inline Json text(std::string_view characters) {
  return Json(boost::json::string(characters.data(), characters.size()));
}

// The value at a dotted path of object keys ("spec.template.metadata"), or nullptr where any step is missing,
// null or no object. Keys that contain dots (labels, annotations) are not reachable this way: use member().
const Json* find(const Json& root, std::string_view path);
const Json* member(const Json& object, std::string_view key);

// Leaf readers: the fallback where the path is missing or of another type.
std::string_view str(const Json& root, std::string_view path, std::string_view fallback = {});
std::int64_t num(const Json& root, std::string_view path, std::int64_t fallback = 0);
bool flag(const Json& root, std::string_view path, bool fallback = false);
// The elements at a path; an empty array where there is none.
const JsonArray& list(const Json& root, std::string_view path);
// The object at a path; an empty one where there is none.
const JsonObject& object(const Json& root, std::string_view path);

// Sets the value at a dotted path, making objects on the way (replacing what is no object).
void set(Json& root, std::string_view path, Json value);
void erase(Json& root, std::string_view path);

// Parsing with limits: nesting of `depth_max` (parser and readers recurse, so it bounds the stack), no
// trailing garbage, no duplicate keys kept (the last wins, as in Go; strict decoding reports them elsewhere).
// kBadRequest with the position.
Result<Json> parse_json(std::string_view text, int depth_max = 1000);
std::string to_json(const Json& value);
std::string to_pretty_json(const Json& value);  // four spaces, for people

// One YAML document or several ("---"); YAML 1.2 core scalars as Kubernetes' converter reads them ("yes" is
// a string, "0o7"/"1e3" numbers). Alias bombs and deep nesting are refused. kBadRequest with the line.
Result<Json> parse_yaml(std::string_view text);
Result<std::vector<Json>> parse_yaml_documents(std::string_view text);
std::string to_yaml(const Json& value);  // block style, keys in order, strings quoted only where needed

}  // namespace mk::api
