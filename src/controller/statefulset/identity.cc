#include "statefulset/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <set>

#include "kit/objects.h"
#include "mk/base/strings.h"

namespace mk::controller::statefulset {
namespace {

const api::Gvk kPodKind{"", "v1", "Pod"};

std::string claim_name(const api::Object& set, const api::Json& claim_template, std::int64_t ordinal) {
  return fmt::format("{}-{}-{}", api::str(claim_template, "metadata.name"), set.name(), ordinal);
}

// The template's own volumes, but where a claim of the same name takes their place.
api::JsonArray volumes_of(const api::Object& set, const api::Json& pod, std::int64_t ordinal) {
  api::JsonArray volumes;
  std::set<std::string, std::less<>> taken;
  for (const auto& claim : api::list(set.json(), "spec.volumeClaimTemplates")) {
    const auto name = api::str(claim, "metadata.name");
    taken.emplace(name);
    api::Json volume;
    api::set(volume, "name", api::text(name));
    api::set(volume, "persistentVolumeClaim.claimName", api::text(claim_name(set, claim, ordinal)));
    volumes.push_back(std::move(volume));
  }
  for (const auto& own : api::list(pod, "spec.volumes")) {
    if (taken.count(api::str(own, "name")) == 0) volumes.push_back(own);
  }
  return volumes;
}

void add_identity(api::Json& pod, const api::Object& set, std::int64_t ordinal) {
  api::JsonObject labels = api::object(pod, "metadata.labels");
  labels[kPodName] = pod_name(set, ordinal);
  labels[kPodIndex] = fmt::to_string(ordinal);
  api::set(pod, "metadata.labels", std::move(labels));
}

bool refers_to(const api::Json& reference, std::string_view uid) {
  return api::str(reference, "uid") == uid;
}

}  // namespace

std::string pod_name(const api::Object& set, std::int64_t ordinal) {
  return fmt::format("{}-{}", set.name(), ordinal);
}

std::optional<std::int64_t> ordinal_of(const api::Object& set, const api::Object& pod) {
  const auto name = pod.name();
  const auto hyphen = name.rfind('-');
  if (hyphen == std::string_view::npos || name.substr(0, hyphen) != set.name()) return std::nullopt;
  const auto ordinal = parse_int(name.substr(hyphen + 1));
  return ordinal && pod_name(set, *ordinal) == name ? ordinal : std::nullopt;
}

api::Json make_pod(const api::Object& set, const api::Json& pod_template, std::int64_t ordinal,
                   std::string_view revision) {
  auto pod = pod_from_template(pod_template, set, kSetKind);
  const auto name = pod_name(set, ordinal);
  api::erase(pod, "metadata.generateName");
  api::set(pod, "metadata.name", api::text(name));
  add_identity(pod, set, ordinal);
  api::JsonObject labels = api::object(pod, "metadata.labels");
  labels[kRevision] = api::text(revision);
  api::set(pod, "metadata.labels", std::move(labels));
  api::set(pod, "spec.hostname", api::text(name));
  if (const auto service = api::str(set.json(), "spec.serviceName"); !service.empty())
    api::set(pod, "spec.subdomain", api::text(service));
  auto volumes = volumes_of(set, pod, ordinal);
  if (!volumes.empty()) api::set(pod, "spec.volumes", std::move(volumes));
  return pod;
}

std::optional<api::Json> with_identity(const api::Object& set, const api::Object& pod, std::int64_t ordinal) {
  if (pod.label(kPodName) == pod.name() && pod.label(kPodIndex) == fmt::to_string(ordinal))
    return std::nullopt;
  api::Json wanted = pod.json();
  add_identity(wanted, set, ordinal);
  return wanted;
}

std::vector<api::Json> make_claims(const api::Object& set, std::int64_t ordinal) {
  std::vector<api::Json> claims;
  for (const auto& claim_template : api::list(set.json(), "spec.volumeClaimTemplates")) {
    api::JsonObject labels = api::object(claim_template, "metadata.labels");
    for (const auto& [key, value] : api::object(set.json(), "spec.selector.matchLabels")) labels[key] = value;
    api::Json claim = claim_template;
    api::set(claim, "apiVersion", "v1");
    api::set(claim, "kind", "PersistentVolumeClaim");
    api::set(claim, "metadata.name", api::text(claim_name(set, claim_template, ordinal)));
    api::set(claim, "metadata.namespace", api::text(set.ns()));
    api::set(claim, "metadata.labels", std::move(labels));
    api::erase(claim, "status");
    claims.push_back(std::move(claim));
  }
  return claims;
}

std::optional<api::Json> with_retention(const api::Object& set, const api::Object& pod, bool condemned,
                                        const api::Object& claim) {
  const auto policy = [&set](const char* when) {
    return api::str(set.json(), std::string("spec.persistentVolumeClaimRetentionPolicy.") + when) == "Delete";
  };
  const bool to_pod = pod && condemned && policy("whenScaled");
  const bool to_set = !to_pod && policy("whenDeleted");
  api::JsonArray owners;
  bool has_pod = false, has_set = false;
  for (const auto& reference : api::list(claim.json(), "metadata.ownerReferences")) {
    const bool is_set = refers_to(reference, set.uid());
    // Also what an earlier pod of this name left behind.
    const bool is_pod =
        api::str(reference, "kind") == "Pod" && pod && api::str(reference, "name") == pod.name();
    const bool is_this_pod = is_pod && refers_to(reference, pod.uid());
    if ((is_set && !to_set) || (is_pod && !(to_pod && is_this_pod))) continue;
    has_set = has_set || is_set;
    has_pod = has_pod || is_this_pod;
    owners.push_back(reference);
  }
  if (to_set && !has_set) owners.push_back(controller_reference(set, kSetKind));
  if (to_pod && !has_pod) owners.push_back(controller_reference(pod, kPodKind));
  if (owners == api::list(claim.json(), "metadata.ownerReferences")) return std::nullopt;
  api::Json changed = claim.json();
  api::set(changed, "metadata.ownerReferences", std::move(owners));
  return changed;
}

}  // namespace mk::controller::statefulset
