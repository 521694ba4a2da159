#include "cacher/cached_object.h"

#include <boost/json/serialize.hpp>
#include <cstring>

#include "cacher/autoscaler_versions.h"
#include "cacher/event_versions.h"
#include "mk/base/assert.h"

namespace mk::apiserver {
namespace {

using api::Json;
using api::JsonObject;

constexpr std::string_view kField = "\"resourceVersion\":\"";

void append_member(std::string& out, std::string_view key, const Json& value) {
  if (out.back() != '{') out.push_back(',');
  out.append(boost::json::serialize(key)).append(":").append(boost::json::serialize(value));
}

// Writes metadata and returns where a first field would go.
std::uint32_t append_metadata(std::string& out, const JsonObject& metadata) {
  if (out.back() != '{') out.push_back(',');
  out.append("\"metadata\":{");
  const auto hole = static_cast<std::uint32_t>(out.size());
  for (const auto& [key, value] : metadata) {
    if (key != "resourceVersion") append_member(out, key, value);
  }
  out.push_back('}');
  return hole;
}

}  // namespace

SharedBytes encode_stored(const Json& object) {
  if (is_shown_event(object)) return encode_stored(event_for_store(object));
  if (is_old_autoscaler(object)) return encode_stored(autoscaler_for_store(object));
  std::string out(sizeof(std::uint32_t), '\0');
  out.push_back('{');
  std::uint32_t hole = 0;
  for (const auto& [key, value] : object.as_object()) {
    if (key == "metadata") {
      hole = append_metadata(out, value.as_object());
    } else {
      append_member(out, key, value);
    }
  }
  out.push_back('}');
  MK_ASSERT(hole != 0);
  std::memcpy(out.data(), &hole, sizeof hole);
  return SharedBytes(std::move(out));
}

api::Object decode_stored(std::string_view stored, store::Revision revision) {
  std::uint32_t hole = 0;
  MK_ASSERT(stored.size() > sizeof hole);
  std::memcpy(&hole, stored.data(), sizeof hole);
  MK_ASSERT(hole > sizeof hole && hole < stored.size());
  const std::string number = std::to_string(revision);
  std::string out;
  out.reserve(stored.size() + kField.size() + number.size() + 2);
  out.append(stored.substr(sizeof hole, hole - sizeof hole)).append(kField).append(number).append("\"");
  if (stored[hole] != '}') out.push_back(',');
  out.append(stored.substr(hole));
  return api::Object(SharedBytes(std::move(out)));
}

}  // namespace mk::apiserver
