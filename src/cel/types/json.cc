#include <fmt/format.h>

#include <cmath>

#include "mk/api/json.h"
#include "mk/base/strings.h"
#include "mk/cel/value.h"

// Values out of the language: as JSON, and as text for people.
namespace mk::cel {

using api::Json;

namespace {

Error no_json(std::string_view what) {
  return Error(Reason::kInvalid, fmt::format("{} cannot be converted to JSON", what));
}

Result<Json> list_to_json(const Value& list) {
  api::JsonArray out;
  out.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    MK_ASSIGN(Json element, to_json(list.at(i)));
    out.push_back(std::move(element));
  }
  return Json(std::move(out));
}

Result<Json> map_to_json(const Value& map) {
  api::JsonObject out;
  Result<void> done;
  map.for_each_key([&](const Value& key) {
    if (!key.is(Value::Kind::kString)) {
      done = no_json("a map key that is no string");
      return false;
    }
    auto value = to_json(map.find(key));
    if (!value.ok()) {
      done = std::move(value).error();
      return false;
    }
    out[key.as_string()] = std::move(*value);
    return true;
  });
  if (!done.ok()) return std::move(done).error();
  return Json(std::move(out));
}

std::string debug_list(const Value& list) {
  std::string out = "[";
  for (std::size_t i = 0; i < list.size(); ++i) out.append(i == 0 ? "" : ", ").append(list.at(i).debug());
  return out + "]";
}

std::string debug_map(const Value& map) {
  std::string out(map.type_name());
  out += "{";
  bool first = true;
  map.for_each_key([&](const Value& key) {
    out.append(first ? "" : ", ").append(key.debug()).append(": ").append(map.find(key).debug());
    first = false;
    return true;
  });
  return out + "}";
}

}  // namespace

Result<Json> to_json(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull:
      return Json(nullptr);
    case Value::Kind::kBool:
      return Json(value.as_bool());
    case Value::Kind::kInt:
      return Json(value.as_int());
    case Value::Kind::kUint:
      return Json(value.as_uint());
    case Value::Kind::kDouble:
      if (!std::isfinite(value.as_double())) return no_json("a number that is not finite");
      return Json(value.as_double());
    case Value::Kind::kString:
      return api::text(value.as_string());
    case Value::Kind::kBytes:
      return api::text(base64_encode(value.as_bytes()));
    case Value::Kind::kTimestamp:
      return api::text(format_timestamp(value.as_timestamp()));
    case Value::Kind::kDuration:
      return api::text(format_duration(value.as_duration()));
    case Value::Kind::kList:
      return list_to_json(value);
    case Value::Kind::kMap:
      return map_to_json(value);
    case Value::Kind::kOptional:
      return value.as_optional() != nullptr ? to_json(*value.as_optional()) : Result<Json>(Json(nullptr));
    case Value::Kind::kError:
      return Error(Reason::kInvalid, value.error_message());
    default:
      return no_json(value.runtime_type()->str());
  }
}

std::string Value::debug() const {
  switch (kind()) {
    case Kind::kAbsent:
      return "absent";
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return as_bool() ? "true" : "false";
    case Kind::kInt:
      return std::to_string(as_int());
    case Kind::kUint:
      return std::to_string(as_uint()) + "u";
    case Kind::kDouble:
      return fmt::format("{}", as_double());
    case Kind::kString:
      return api::to_json(api::text(as_string()));
    case Kind::kBytes:
      return "b" + api::to_json(api::text(hex(as_bytes())));
    case Kind::kTimestamp:
      return "timestamp(\"" + format_timestamp(as_timestamp()) + "\")";
    case Kind::kDuration:
      return "duration(\"" + format_duration(as_duration()) + "\")";
    case Kind::kList:
      return debug_list(*this);
    case Kind::kMap:
      return debug_map(*this);
    case Kind::kOpaque:
      return as_opaque().type()->str();
    case Kind::kOptional:
      return as_optional() != nullptr ? "optional.of(" + as_optional()->debug() + ")" : "optional.none()";
    case Kind::kType:
      return as_type()->str();
    case Kind::kError:
      return "error: " + error_message();
  }
  return "";
}

}  // namespace mk::cel
