#include "registry/metadata.h"

#include <algorithm>

#include "mk/base/ids.h"

namespace mk::apiserver {

using api::Json;
using api::JsonArray;

namespace {

constexpr std::size_t kSuffixLength = 5;
constexpr std::size_t kGeneratedNameMax = 63;

// Fields of metadata that only the server writes.
constexpr std::string_view kServerFields[] = {
    "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"};

}  // namespace

void fill_new_metadata(const WriteContext& context, Json& object, bool has_generation) {
  for (const auto field : kServerFields) api::erase(object, "metadata." + std::string(field));
  api::erase(object, "metadata.resourceVersion");
  const std::string prefix(api::str(object, "metadata.generateName"));
  if (api::str(object, "metadata.name").empty() && !prefix.empty()) {
    const std::string name =
        prefix.substr(0, kGeneratedNameMax - kSuffixLength) + random_suffix(kSuffixLength);
    api::set(object, "metadata.name", api::text(name));
  }
  if (context.resource->namespaced) {
    api::set(object, "metadata.namespace", api::text(context.ns));
  } else {
    api::erase(object, "metadata.namespace");
  }
  api::set(object, "metadata.uid", api::text(new_uid()));
  api::set(object, "metadata.creationTimestamp", api::text(context.now));
  if (has_generation) api::set(object, "metadata.generation", 1);
}

void keep_metadata(Json& object, const Json& old) {
  for (const auto field : kServerFields) {
    const std::string path = "metadata." + std::string(field);
    if (const Json* value = api::find(old, path)) {
      api::set(object, path, *value);
    } else {
      api::erase(object, path);
    }
  }
  if (const Json* prefix = api::find(old, "metadata.generateName"))
    api::set(object, "metadata.generateName", *prefix);
}

const JsonArray& finalizers(const Json& object) {
  return api::list(object, "metadata.finalizers");
}

bool has_finalizer(const Json& object, std::string_view name) {
  const auto& all = finalizers(object);
  return std::any_of(all.begin(), all.end(), [&](const Json& value) {
    const auto* text = value.if_string();
    return text != nullptr && std::string_view(*text) == name;
  });
}

void set_finalizer(Json& object, std::string_view name, bool present) {
  if (has_finalizer(object, name) == present) return;
  JsonArray kept;
  for (const auto& value : finalizers(object)) {
    if (value != api::text(name)) kept.push_back(value);
  }
  if (present) kept.push_back(api::text(name));
  if (kept.empty()) {
    api::erase(object, "metadata.finalizers");
  } else {
    api::set(object, "metadata.finalizers", std::move(kept));
  }
}

bool ready_to_go(const Json& object) {
  if (api::find(object, "metadata.deletionTimestamp") == nullptr) return false;
  if (!finalizers(object).empty() || api::num(object, "metadata.deletionGracePeriodSeconds") > 0)
    return false;
  return api::str(object, "kind") != "Namespace" || api::list(object, "spec.finalizers").empty();
}

}  // namespace mk::apiserver
