#include "kit/objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>

#include "mk/base/strings.h"

namespace mk::controller {

const api::Json* find_condition(const api::Json& object, std::string_view type) {
  for (const auto& condition : api::list(object, "status.conditions")) {
    if (api::str(condition, "type") == type) return &condition;
  }
  return nullptr;
}

namespace {
api::JsonArray& conditions_of(api::Json& object) {
  const auto* found = api::find(object, "status.conditions");
  if (!found || !found->is_array()) api::set(object, "status.conditions", api::JsonArray());
  return const_cast<api::Json*>(api::find(object, "status.conditions"))->get_array();
}

api::Json make_condition(const Condition& condition, std::string transition) {
  api::JsonObject made;
  made["type"] = condition.type;
  made["status"] = condition.status;
  made["lastTransitionTime"] = std::move(transition);
  if (!condition.reason.empty()) made["reason"] = condition.reason;
  if (!condition.message.empty()) made["message"] = condition.message;
  return made;
}
}  // namespace

bool set_condition(api::Json& object, const Condition& condition, rt::WallTime now) {
  auto& conditions = conditions_of(object);
  for (auto& present : conditions) {
    if (api::str(present, "type") != condition.type) continue;
    const bool same_status = api::str(present, "status") == condition.status;
    if (same_status && api::str(present, "reason") == condition.reason &&
        api::str(present, "message") == condition.message) {
      return false;
    }
    std::string since(api::str(present, "lastTransitionTime"));
    if (!same_status || since.empty()) since = rt::format_time(now);
    api::set(present, "status", api::text(condition.status));
    api::set(present, "reason", api::text(condition.reason));
    api::set(present, "message", api::text(condition.message));
    api::set(present, "lastTransitionTime", api::text(since));
    return true;
  }
  conditions.push_back(make_condition(condition, rt::format_time(now)));
  return true;
}

bool remove_condition(api::Json& object, std::string_view type) {
  if (!find_condition(object, type)) return false;
  auto& conditions = conditions_of(object);
  for (auto it = conditions.begin(); it != conditions.end();) {
    it = api::str(*it, "type") == type ? conditions.erase(it) : it + 1;
  }
  if (conditions.empty()) api::erase(object, "status.conditions");
  return true;
}

std::optional<rt::WallTime> time_at(const api::Json& object, std::string_view path) {
  const auto text = api::str(object, path);
  return text.empty() ? std::nullopt : rt::parse_time(text);
}

rt::WallTime created_at(const api::Object& object) {
  return time_at(object.json(), "metadata.creationTimestamp").value_or(rt::WallTime());
}

bool pod_finished(const api::Json& pod) {
  const auto phase = api::str(pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

bool pod_active(const api::Json& pod) {
  return !pod_finished(pod) && !api::find(pod, "metadata.deletionTimestamp");
}

bool pod_ready(const api::Json& pod) {
  const auto* ready = find_condition(pod, "Ready");
  return ready && api::str(*ready, "status") == "True";
}

std::optional<rt::WallTime> pod_ready_since(const api::Json& pod) {
  if (!pod_ready(pod)) return std::nullopt;
  return time_at(*find_condition(pod, "Ready"), "lastTransitionTime").value_or(rt::WallTime());
}

bool pod_available(const api::Json& pod, std::int64_t min_ready_seconds, rt::WallTime now) {
  const auto since = pod_ready_since(pod);
  if (!since) return false;
  return min_ready_seconds == 0 || *since + std::chrono::seconds(min_ready_seconds) <= now;
}

std::optional<rt::Duration> next_available(const std::vector<api::Object>& pods,
                                           std::int64_t min_ready_seconds, rt::WallTime now) {
  const std::chrono::seconds min_ready(min_ready_seconds);
  std::optional<rt::Duration> soonest;
  for (const auto& pod : pods) {
    const auto since = pod_ready_since(pod.json());
    if (!since || *since + min_ready <= now) continue;
    const rt::Duration wait = *since + min_ready - now;
    if (!soonest || wait < *soonest) soonest = wait;
  }
  return soonest;
}

api::Json controller_reference(const api::Object& owner, const api::Gvk& gvk) {
  api::JsonObject reference;
  reference["apiVersion"] = gvk.api_version();
  reference["kind"] = gvk.kind;
  reference["name"] = owner.name();
  reference["uid"] = owner.uid();
  reference["controller"] = true;
  reference["blockOwnerDeletion"] = true;
  return reference;
}

bool controlled_by(const api::Object& object, std::string_view uid) {
  const auto* owner = api::controller_of(object);
  return owner && api::str(*owner, "uid") == uid;
}

api::Json pod_from_template(const api::Json& pod_template, const api::Object& owner, const api::Gvk& gvk) {
  api::JsonObject metadata;
  metadata["generateName"] = std::string(owner.name()) + "-";
  metadata["namespace"] = owner.ns();
  for (const char* field : {"labels", "annotations", "finalizers"}) {
    if (const auto* value = api::find(pod_template, std::string("metadata.") + field))
      metadata[field] = *value;
  }
  api::JsonArray owners;
  owners.push_back(controller_reference(owner, gvk));
  metadata["ownerReferences"] = std::move(owners);
  api::JsonObject pod;
  pod["apiVersion"] = "v1";
  pod["kind"] = "Pod";
  pod["metadata"] = std::move(metadata);
  if (const auto* spec = api::find(pod_template, "spec")) pod["spec"] = *spec;
  return pod;
}

std::int64_t scaled_value(const api::Json* value, std::int64_t total, bool round_up) {
  if (!value) return 0;
  if (value->is_int64()) return value->get_int64();
  if (value->is_uint64()) return static_cast<std::int64_t>(value->get_uint64());
  if (!value->is_string()) return 0;
  std::string_view text = value->get_string();
  if (text.empty() || text.back() != '%') return 0;
  text.remove_suffix(1);
  const auto percent = parse_int(text);
  if (!percent) return 0;
  const auto product = *percent * total;
  return round_up ? (product + 99) / 100 : product / 100;
}

bool namespace_terminating(const Error& error) {
  return std::any_of(error.causes.begin(), error.causes.end(),
                     [](const Cause& cause) { return cause.type == "NamespaceTerminating"; });
}

namespace {
void write_canonical(const api::Json& value, std::string& out) {
  if (const auto* object = value.if_object()) {
    std::vector<std::string_view> keys;
    for (const auto& field : *object) keys.push_back(field.key());
    std::sort(keys.begin(), keys.end());
    out += '{';
    for (const auto key : keys) {
      if (out.back() != '{') out += ',';
      out += api::to_json(api::Json(key));
      out += ':';
      write_canonical(*object->if_contains(key), out);
    }
    out += '}';
  } else if (const auto* array = value.if_array()) {
    out += '[';
    for (const auto& element : *array) {
      if (out.back() != '[') out += ',';
      write_canonical(element, out);
    }
    out += ']';
  } else {
    out += api::to_json(value);
  }
}
}  // namespace

std::string canonical_json(const api::Json& value) {
  std::string out;
  write_canonical(value, out);
  return out;
}

std::string stable_hash(const api::Json& value, std::int64_t collisions) {
  constexpr std::string_view kSafe = "bcdfghjklmnpqrstvwxz2456789";
  std::uint32_t hash = 2166136261u;
  const auto mix = [&hash](std::string_view text) {
    for (const unsigned char c : text) hash = (hash ^ c) * 16777619u;
  };
  mix(canonical_json(value));
  if (collisions != 0) mix(fmt::to_string(collisions));
  std::string text = fmt::to_string(hash);
  for (auto& c : text) c = kSafe[static_cast<unsigned char>(c) % kSafe.size()];
  return text;
}

}  // namespace mk::controller
