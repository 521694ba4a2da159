#include "cacher/filter.h"

#include <algorithm>
#include <map>

namespace mk::apiserver {
namespace {

// The selectable fields that Kubernetes documents, beyond metadata.name and metadata.namespace.
const std::map<std::string, std::vector<std::string_view>, std::less<>>& selectable_fields() {
  static const std::map<std::string, std::vector<std::string_view>, std::less<>> kFields = {
      {"pods",
       {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName"}},
      {"events",
       {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type"}},
      {"events.events.k8s.io",
       {"regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "regarding.apiVersion",
        "regarding.resourceVersion", "regarding.fieldPath", "reason", "reportingController", "type"}},
      {"nodes", {"spec.unschedulable"}},
      {"namespaces", {"status.phase"}},
      {"secrets", {"type"}},
      {"services", {"spec.clusterIP", "spec.type"}},
      {"replicationcontrollers", {"status.replicas"}},
      {"replicasets.apps", {"status.replicas"}},
      {"jobs.batch", {"status.successful"}},
      {"certificatesigningrequests.certificates.k8s.io", {"spec.signerName"}},
      {"resourceslices.resource.k8s.io", {"spec.nodeName", "spec.driver"}},
      {"customresourcedefinitions.apiextensions.k8s.io", {}},
  };
  return kFields;
}

bool supported(const api::ResourceInfo& resource, std::string_view path) {
  if (path == "metadata.name" || path == "metadata.namespace") return true;
  const auto& own = resource.selectable_fields;
  if (std::find(own.begin(), own.end(), path) != own.end()) return true;
  const auto fields = selectable_fields().find(resource.gvr.qualified());
  return fields != selectable_fields().end() &&
         std::find(fields->second.begin(), fields->second.end(), path) != fields->second.end();
}

// A leaf as a field selector sees it: text, numbers and booleans spelled out, absent as "" (false for flags).
std::string field_text(const api::Json& root, std::string_view path) {
  const api::Json* value = api::find(root, path);
  if (value == nullptr) {
    if (path == "spec.unschedulable" || path == "spec.hostNetwork") return "false";
    return "";
  }
  if (const auto* text = value->if_string()) return std::string(*text);
  if (value->is_array() || value->is_object()) return "";
  return api::to_json(*value);
}

}  // namespace

std::string selected_value(const api::Object& object, const std::string& path) {
  if (path == "status.successful") return field_text(object.json(), "status.succeeded");
  if (path == "source") {
    // Events of the newer API have a reporting component instead.
    auto component = field_text(object.json(), "source.component");
    return component.empty() ? field_text(object.json(), "reportingComponent") : component;
  }
  return field_text(object.json(), path);
}

bool Filter::selects(const api::Object& object) const {
  if (!labels.everything() && !labels.matches(api::object(object.json(), "metadata.labels"))) return false;
  return std::all_of(fields.begin(), fields.end(), [&](const api::FieldTerm& term) {
    return (selected_value(object, term.path) == term.value) == term.equal;
  });
}

Result<Filter> make_filter(const api::ResourceInfo& resource, std::string ns, std::string_view label_selector,
                           std::string_view field_selector) {
  Filter filter;
  filter.ns = std::move(ns);
  auto labels = api::LabelSelector::parse(label_selector);
  if (!labels.ok()) return Error(Reason::kBadRequest, labels.error().message());
  filter.labels = std::move(labels).value();
  MK_ASSIGN(auto terms, api::parse_field_selector(field_selector));
  for (auto& term : terms) {
    if (!supported(resource, term.path))
      return Error(Reason::kBadRequest, "field label not supported: " + term.path);
    if (term.path == "metadata.name" && term.equal && filter.name.empty()) {
      filter.name = term.value;
    } else {
      filter.fields.push_back(std::move(term));
    }
  }
  return filter;
}

}  // namespace mk::apiserver
