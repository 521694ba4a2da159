#include "cluster/targets.h"

#include <fmt/format.h>

#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;
using api::ResourceInfo;

namespace {

Result<const ResourceInfo*> find_type(Session& session, std::string_view name) {
  MK_ASSIGN(const Discovery* discovery, session.discovery());
  const ResourceInfo* found = discovery->find(name);
  if (found == nullptr)
    return usage_error(fmt::format("the server doesn't have a resource type \"{}\"", name));
  return found;
}

// The types of "pods,svc" and of categories ("all").
Result<std::vector<const ResourceInfo*>> find_types(Session& session, const std::string& word) {
  std::vector<const ResourceInfo*> out;
  for (const auto part : split(word, ',')) {
    if (part.empty())
      return usage_error(
          fmt::format("arguments in resource/name form or a list of types expected, got \"{}\"", word));
    MK_ASSIGN(const Discovery* discovery, session.discovery());
    const auto members = discovery->category(part);
    if (!members.empty() && discovery->find(part) == nullptr) {
      out.insert(out.end(), members.begin(), members.end());
      continue;
    }
    MK_ASSIGN(const ResourceInfo* found, find_type(session, part));
    out.push_back(found);
  }
  return out;
}

Target make_target(const Session& session, const ResourceInfo* resource, std::string name,
                   bool all_namespaces) {
  Target out;
  out.resource = resource;
  out.name = std::move(name);
  if (resource->namespaced && !all_namespaces) out.ns = session.ns();
  return out;
}

Result<std::vector<Target>> slash_targets(Session& session, const std::vector<std::string>& words,
                                          const TargetRules& rules) {
  std::vector<Target> out;
  for (const auto& word : words) {
    const auto slash = word.find('/');
    if (slash == std::string::npos && rules.default_type == nullptr)
      return usage_error(
          "there is no need to specify a resource type as a separate argument when passing arguments in "
          "resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource "
          "resource/<resource_name>'");
    const std::string type = slash == std::string::npos ? rules.default_type : word.substr(0, slash);
    const std::string name = slash == std::string::npos ? word : word.substr(slash + 1);
    if (type.empty() || name.empty() || name.find('/') != std::string::npos)
      return usage_error("arguments in resource/name form must have a single resource and name");
    MK_ASSIGN(const ResourceInfo* resource, find_type(session, type));
    out.push_back(make_target(session, resource, name, false));
  }
  return out;
}

}  // namespace

Result<std::vector<Target>> resolve_targets(Session& session, const std::vector<std::string>& words,
                                            TargetRules rules) {
  if (words.empty())
    return usage_error(
        "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of "
        "supported resources.");
  bool slash = false;
  for (const auto& word : words) slash = slash || word.find('/') != std::string::npos;
  if (slash && rules.all_namespaces)
    return usage_error("a resource cannot be retrieved by name across all namespaces");
  if (slash) return slash_targets(session, words, rules);
  std::vector<Target> out;
  MK_ASSIGN(const auto types, find_types(session, words[0]));
  if (rules.all_namespaces && words.size() > 1)
    return usage_error("a resource cannot be retrieved by name across all namespaces");
  if (words.size() == 1 && rules.names_required)
    return usage_error("resource(s) were provided, but no name was specified");
  for (const ResourceInfo* type : types) {
    if (words.size() == 1) out.push_back(make_target(session, type, "", rules.all_namespaces));
    for (std::size_t i = 1; i < words.size(); ++i) out.push_back(make_target(session, type, words[i], false));
  }
  return out;
}

Result<Target> resolve_one(Session& session, const std::vector<std::string>& words,
                           const char* default_type) {
  TargetRules rules;
  rules.names_required = true;
  rules.default_type = default_type;
  std::vector<std::string> full = words;
  if (full.size() == 1 && default_type && full[0].find('/') == std::string::npos)
    full.insert(full.begin(), default_type);
  MK_ASSIGN(auto targets, resolve_targets(session, full, rules));
  if (targets.size() != 1) return usage_error("exactly one resource is expected");
  return std::move(targets[0]);
}

Result<std::vector<Target>> choose_targets(Invocation& call, Session& session, const FileFlags& files,
                                           TargetRules rules) {
  if (files.files.empty()) {
    if (call.words.empty())
      return usage_error(
          "You must provide one or more resources by argument or filename.\nExample resource specifications "
          "include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'");
    return resolve_targets(session, call.words, rules);
  }
  if (!call.words.empty())
    return usage_error(
        "when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well");
  MK_ASSIGN(auto documents, read_documents(files, call.io));
  std::vector<Target> out;
  for (auto& document : documents) {
    MK_ASSIGN(Target target, target_of(session, document.object));
    out.push_back(std::move(target));
  }
  return out;
}

void Selectors::bind(Flags& flags) {
  flags.text("selector", 'l', labels).text("field-selector", 0, fields);
}

std::string Selectors::query() const {
  std::string out;
  if (!labels.empty()) out += "?labelSelector=" + url_encode(labels);
  if (!fields.empty()) out += (out.empty() ? "?" : "&") + ("fieldSelector=" + url_encode(fields));
  return out;
}

Result<std::vector<Found>> fetch(Session& session, const std::vector<Target>& targets,
                                 const Selectors& selectors) {
  std::vector<Found> out;
  for (const auto& target : targets) {
    const std::string query = target.name.empty() ? selectors.query() : "";
    MK_ASSIGN(const Json answer, session.get(target.path() + query));
    if (!target.name.empty()) {
      out.push_back({target, answer});
      continue;
    }
    for (const auto& item : api::list(answer, "items")) {
      Found one{target, item};
      if (!one.object.is_object()) continue;
      one.target.name = api::str(item, "metadata.name");
      one.target.ns = api::str(item, "metadata.namespace");
      api::set(one.object, "kind", api::text(target.resource->kind));
      api::set(one.object, "apiVersion", api::text(target.resource->gvr.api_version()));
      out.push_back(std::move(one));
    }
  }
  return out;
}

}  // namespace mk::kubectl
