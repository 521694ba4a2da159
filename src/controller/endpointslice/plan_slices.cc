#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "endpointslice/endpoints.h"
#include "kit/objects.h"

namespace mk::controller::endpoints {
namespace {

// A slice while it is being decided about.
struct Draft {
  api::Object present;  // no object: to be created
  std::vector<api::Json> endpoints;
  bool changed = false;
};

std::string identity(const api::Json& endpoint) {
  const auto& addresses = api::list(endpoint, "addresses");
  std::string text(api::str(endpoint, "targetRef.uid"));
  if (!addresses.empty() && addresses.front().is_string())
    text += "/" + std::string(addresses.front().get_string());
  return text;
}

api::JsonObject slice_labels(const api::Object& service) {
  auto labels = derived_labels(service.json());
  labels[kServiceName] = service.name();
  labels[kManagedBy] = kManager;
  return labels;
}

api::Json make_slice(const api::Object& service, const std::string& family, const api::JsonArray& ports) {
  api::JsonArray owners;
  owners.push_back(controller_reference(service, api::Gvk{"", "v1", "Service"}));
  api::JsonObject metadata;
  metadata["generateName"] = std::string(service.name()) + "-";
  metadata["namespace"] = service.ns();
  metadata["labels"] = slice_labels(service);
  metadata["ownerReferences"] = std::move(owners);
  api::JsonObject slice;
  slice["apiVersion"] = "discovery.k8s.io/v1";
  slice["kind"] = "EndpointSlice";
  slice["metadata"] = std::move(metadata);
  slice["addressType"] = family;
  slice["endpoints"] = api::JsonArray();
  slice["ports"] = ports;
  return slice;
}

// Keeps in a slice what is still wanted (with its new state) and takes it off `wanted`.
Draft keep_wanted(const api::Object& slice, std::map<std::string, api::Json>& wanted) {
  Draft draft;
  draft.present = slice;
  for (const auto& endpoint : api::list(slice.json(), "endpoints")) {
    const auto found = wanted.find(identity(endpoint));
    if (found == wanted.end()) {
      draft.changed = true;
      continue;
    }
    if (found->second != endpoint) draft.changed = true;
    draft.endpoints.push_back(std::move(found->second));
    wanted.erase(found);
  }
  return draft;
}

void fill(std::vector<Draft>& drafts, std::map<std::string, api::Json>& wanted) {
  // Slices that are written anyway first, the fullest first, so that few slices are touched and few are
  // needed.
  std::vector<Draft*> order;
  for (auto& draft : drafts) order.push_back(&draft);
  std::stable_sort(order.begin(), order.end(), [](const Draft* a, const Draft* b) {
    return a->changed != b->changed ? a->changed : a->endpoints.size() > b->endpoints.size();
  });
  for (auto* draft : order) {
    while (!wanted.empty() && draft->endpoints.size() < kSliceMax) {
      draft->endpoints.push_back(std::move(wanted.begin()->second));
      wanted.erase(wanted.begin());
      draft->changed = true;
    }
  }
  while (!wanted.empty()) {
    Draft fresh;
    fresh.changed = true;
    while (!wanted.empty() && fresh.endpoints.size() < kSliceMax) {
      fresh.endpoints.push_back(std::move(wanted.begin()->second));
      wanted.erase(wanted.begin());
    }
    drafts.push_back(std::move(fresh));
  }
}

api::Json finished_slice(const api::Object& service, const std::string& family, const api::JsonArray& ports,
                         Draft& draft) {
  api::JsonArray endpoints(draft.endpoints.begin(), draft.endpoints.end());
  if (!draft.present) {
    auto made = make_slice(service, family, ports);
    api::set(made, "endpoints", std::move(endpoints));
    return made;
  }
  api::Json made = draft.present.json();
  api::set(made, "endpoints", std::move(endpoints));
  api::set(made, "metadata.labels", slice_labels(service));
  return made;
}

bool labels_stale(const api::Object& service, const api::Object& slice) {
  return api::object(slice.json(), "metadata.labels") != slice_labels(service);
}

void plan_group(const api::Object& service, const std::string& family, const api::JsonArray& ports,
                const std::vector<Endpoint>& endpoints, const std::vector<api::Object>& slices,
                SliceChanges& changes) {
  std::map<std::string, api::Json> wanted;
  for (const auto& endpoint : endpoints) {
    auto json = to_json(endpoint);
    auto key = identity(json);
    wanted.emplace(std::move(key), std::move(json));
  }
  std::vector<Draft> drafts;
  for (const auto& slice : slices) drafts.push_back(keep_wanted(slice, wanted));
  fill(drafts, wanted);
  for (auto& draft : drafts) {
    if (draft.endpoints.empty() && draft.present) {
      changes.remove.push_back(draft.present);
    } else if (!draft.present) {
      changes.create.push_back(finished_slice(service, family, ports, draft));
    } else if (draft.changed || labels_stale(service, draft.present)) {
      changes.update.push_back(finished_slice(service, family, ports, draft));
    }
  }
}

// Even a service without pods has a slice, so that its existence is visible; an existing one is emptied for
// that.
void keep_placeholder(const api::Object& service, const std::string& family,
                      const std::vector<api::Object>& existing, SliceChanges& changes) {
  if (changes.remove.size() < existing.size() || !changes.create.empty()) return;
  if (changes.remove.empty()) {
    changes.create.push_back(make_slice(service, family, {}));
    return;
  }
  Draft draft;
  draft.present = changes.remove.back();
  changes.remove.pop_back();
  const bool empty_already = api::list(draft.present.json(), "endpoints").empty();
  if (empty_already && !labels_stale(service, draft.present)) return;
  changes.update.push_back(finished_slice(service, family, {}, draft));
}

}  // namespace

SliceChanges plan_slices(const api::Object& service, const std::string& family, const Groups& groups,
                         const std::vector<api::Object>& existing) {
  SliceChanges changes;
  std::map<std::string, std::vector<api::Object>> by_ports;
  for (const auto& slice : existing)
    by_ports[canonical_json(api::list(slice.json(), "ports"))].push_back(slice);
  for (const auto& [ports, endpoints] : groups) {
    const auto ports_json = to_json(ports);
    auto slices = by_ports.extract(canonical_json(ports_json));
    plan_group(service, family, ports_json, endpoints, slices ? slices.mapped() : std::vector<api::Object>(),
               changes);
  }
  for (auto& [ports, slices] : by_ports) {
    for (auto& slice : slices) changes.remove.push_back(std::move(slice));
  }
  keep_placeholder(service, family, existing, changes);
  return changes;
}

}  // namespace mk::controller::endpoints
