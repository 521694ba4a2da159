#include <fmt/format.h>

#include <algorithm>

#include "openapi/document.h"

namespace mk::api {
namespace {

constexpr std::string_view kMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.";

// Query parameters by what they act on.
struct Query {
  std::string_view name, type;
};
constexpr Query kPretty = {"pretty", "string"};
constexpr Query kList[] = {{"allowWatchBookmarks", "boolean"},
                           {"continue", "string"},
                           {"fieldSelector", "string"},
                           {"labelSelector", "string"},
                           {"limit", "integer"},
                           {"resourceVersion", "string"},
                           {"resourceVersionMatch", "string"},
                           {"sendInitialEvents", "boolean"},
                           {"timeoutSeconds", "integer"},
                           {"watch", "boolean"}};
constexpr Query kWrite[] = {{"dryRun", "string"}, {"fieldManager", "string"}, {"fieldValidation", "string"}};
constexpr Query kForce = {"force", "boolean"};
constexpr Query kDelete[] = {{"dryRun", "string"},
                             {"gracePeriodSeconds", "integer"},
                             {"ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"},
                             {"orphanDependents", "boolean"},
                             {"propagationPolicy", "string"}};

// One operation of one path, in a dialect.
class Operation {
 public:
  Operation(Dialect dialect, const Definitions& definitions)
      : v3_(dialect == Dialect::kOpenApi3), definitions_(definitions) {}

  void parameter(std::string_view name, std::string_view in, std::string_view type, bool required) {
    JsonObject out{{"name", name}, {"in", in}};
    if (required) out.emplace("required", true);
    if (v3_) {
      out.emplace("schema", JsonObject{{"type", type}, {"uniqueItems", true}});
    } else {
      out.emplace("type", type);
      out.emplace("uniqueItems", true);
    }
    parameters_.push_back(std::move(out));
  }

  void query(const Query& query) { parameter(query.name, "query", query.type, false); }
  template <std::size_t N>
  void query(const Query (&queries)[N]) {
    for (const auto& one : queries) query(one);
  }

  void body(std::string_view type, std::initializer_list<std::string_view> media_types) {
    if (v3_) {
      JsonObject content;
      for (const auto media : media_types) content.emplace(media, JsonObject{{"schema", reference(type)}});
      fields_.emplace("requestBody", JsonObject{{"content", std::move(content)}, {"required", true}});
      return;
    }
    JsonArray consumes;
    for (const auto media : media_types) consumes.emplace_back(media);
    fields_.emplace("consumes", std::move(consumes));
    parameters_.push_back(
        JsonObject{{"name", "body"}, {"in", "body"}, {"required", true}, {"schema", reference(type)}});
  }

  void responses(std::string_view type, std::initializer_list<std::string_view> codes) {
    JsonObject out;
    for (const auto code : codes) {
      JsonObject response{{"description", code == "201" ? "Created" : code == "202" ? "Accepted" : "OK"}};
      if (!type.empty() && v3_) {
        response.emplace("content",
                         JsonObject{{"application/json", JsonObject{{"schema", reference(type)}}}});
      } else if (!type.empty()) {
        response.emplace("schema", reference(type));
      }
      out.emplace(code, std::move(response));
    }
    out.emplace("401", JsonObject{{"description", "Unauthorized"}});
    fields_.emplace("responses", std::move(out));
  }

  Json finish(std::string_view action, std::string id, const Gvk& kind, const Gvr& tag) {
    fields_.emplace("operationId", std::move(id));
    fields_.emplace("tags", JsonArray{Json((tag.group.empty() ? "core" : tag.group) + "_" + tag.version)});
    fields_.emplace("x-kubernetes-action", action);
    fields_.emplace("x-kubernetes-group-version-kind",
                    JsonObject{{"group", kind.group}, {"kind", kind.kind}, {"version", kind.version}});
    if (!v3_) fields_.emplace("produces", JsonArray{"application/json", "application/yaml"});
    if (!parameters_.empty()) fields_.emplace("parameters", std::move(parameters_));
    return std::move(fields_);
  }

 private:
  // A type without a published definition is just an object.
  Json reference(std::string_view type) const {
    if (!definitions_.find(type)) return JsonObject{{"type", "object"}};
    return JsonObject{
        {"$ref", std::string(v3_ ? "#/components/schemas/" : "#/definitions/") + std::string(type)}};
  }

  bool v3_;
  const Definitions& definitions_;
  JsonObject fields_;
  JsonArray parameters_;
};

// How a verb of discovery appears as an HTTP operation.
struct Verb {
  std::string_view name, method, action;
};
constexpr Verb kCollection[] = {
    {"list", "get", "list"}, {"create", "post", "post"}, {"deletecollection", "delete", "deletecollection"}};
constexpr Verb kItem[] = {{"get", "get", "get"},
                          {"update", "put", "put"},
                          {"patch", "patch", "patch"},
                          {"delete", "delete", "delete"}};
constexpr Verb kSubresource[] = {{"get", "get", "get"},
                                 {"create", "post", "post"},
                                 {"update", "put", "put"},
                                 {"patch", "patch", "patch"},
                                 {"delete", "delete", "delete"}};

class PathMaker {
 public:
  PathMaker(const ResourceInfo& resource, const Definitions& definitions, Dialect dialect, JsonObject& paths)
      : resource_(resource), definitions_(definitions), dialect_(dialect), paths_(paths) {}

  void make() {
    const auto base = "/" + group_version_path(resource_.gvr);
    const auto scope = resource_.namespaced ? base + "/namespaces/{namespace}/" : base + "/";
    const auto collection = scope + resource_.gvr.resource;
    if (resource_.namespaced && resource_.has_verb("list")) {
      add(base + "/" + resource_.gvr.resource, false, kCollection[0], resource_.gvk(), "");
    }
    for (const auto& verb : kCollection) {
      if (resource_.has_verb(verb.name)) add(collection, resource_.namespaced, verb, resource_.gvk(), "");
    }
    for (const auto& verb : kItem) {
      if (resource_.has_verb(verb.name))
        add(collection + "/{name}", resource_.namespaced, verb, resource_.gvk(), "");
    }
    for (const auto& sub : resource_.subresources) {
      for (const auto& verb : kSubresource) {
        if (std::find(sub.verbs.begin(), sub.verbs.end(), verb.name) == sub.verbs.end()) continue;
        add(collection + "/{name}/" + sub.name, resource_.namespaced, verb, sub.kind, sub.name);
      }
    }
  }

 private:
  void add(const std::string& path, bool in_namespace, const Verb& verb, const Gvk& kind,
           std::string_view sub) {
    Operation operation(dialect_, definitions_);
    if (path.find("{name}") != std::string::npos) operation.parameter("name", "path", "string", true);
    if (in_namespace) operation.parameter("namespace", "path", "string", true);
    operation.query(kPretty);
    describe(operation, verb, kind);
    auto id = fmt::format("{}{}{}{}{}", verb.name, resource_.gvr.group.empty() ? "Core" : resource_.gvr.group,
                          resource_.gvr.version, in_namespace ? "Namespaced" : "", kind.kind);
    if (!sub.empty()) id += "_" + std::string(sub);
    if (resource_.namespaced && !in_namespace) id += "ForAllNamespaces";
    auto& item = paths_[path];
    if (!item.is_object()) item.emplace_object();
    item.get_object()[verb.method] = operation.finish(verb.action, std::move(id), kind, resource_.gvr);
  }

  void describe(Operation& operation, const Verb& verb, const Gvk& kind) {
    const std::string type(definitions_.name_of(kind));
    const std::string status = std::string(kMeta) + "Status", options = std::string(kMeta) + "DeleteOptions";
    if (verb.action == "list") {
      operation.query(kList);
      operation.responses(definitions_.name_of({kind.group, kind.version, kind.kind + "List"}), {"200"});
    } else if (verb.action == "get") {
      operation.responses(type, {"200"});
    } else if (verb.action == "post" || verb.action == "put") {
      operation.query(kWrite);
      operation.body(type, {"*/*"});
      if (verb.action == "post")
        operation.responses(type, {"200", "201", "202"});
      else
        operation.responses(type, {"200", "201"});
    } else if (verb.action == "patch") {
      operation.query(kWrite);
      operation.query(kForce);
      operation.body(std::string(kMeta) + "Patch",
                     {"application/json-patch+json", "application/merge-patch+json",
                      "application/strategic-merge-patch+json", "application/apply-patch+yaml"});
      operation.responses(type, {"200", "201"});
    } else {
      operation.query(kDelete);
      if (verb.action == "deletecollection") operation.query(kList);
      operation.body(options, {"*/*"});
      operation.responses(status, {"200", "202"});
    }
  }

  const ResourceInfo& resource_;
  const Definitions& definitions_;
  Dialect dialect_;
  JsonObject& paths_;
};

}  // namespace

std::string group_version_path(const Gvr& gvr) {
  return gvr.group.empty() ? "api/" + gvr.version : "apis/" + gvr.group + "/" + gvr.version;
}

void add_paths(const ResourceInfo& resource, const Definitions& definitions, Dialect dialect,
               JsonObject& paths) {
  PathMaker(resource, definitions, dialect, paths).make();
}

}  // namespace mk::api
