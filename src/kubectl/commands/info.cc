#include <fmt/format.h>

#include <algorithm>

#include "commands/commands.h"
#include "commands/write.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;
using api::JsonObject;

Result<int> run_api_resources(Invocation& call) {
  bool no_headers = false;
  std::string group, namespaced, output;
  std::vector<std::string> verbs;
  call.flags.boolean("no-headers", 0, no_headers)
      .text("api-group", 0, group)
      .optional_text("namespaced", 0, namespaced, "true")
      .text("output", 'o', output)
      .list("verbs", 0, verbs)
      .ignored("cached", 0, false)
      .ignored("sort-by", 0, true)
      .ignored("categories", 0, true);
  MK_TRY(call.parse());
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const Discovery* discovery, session->discovery());
  TabWriter table;
  if (!no_headers && output.empty()) table.row({"NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"});
  if (!no_headers && output == "wide")
    table.row({"NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND", "VERBS", "CATEGORIES"});
  for (const auto& resource : discovery->resources()) {
    if (!discovery->preferred(resource) || (!group.empty() && resource.gvr.group != group)) continue;
    if (!namespaced.empty() && (namespaced == "true") != resource.namespaced) continue;
    if (!std::all_of(verbs.begin(), verbs.end(),
                     [&](const std::string& verb) { return resource.has_verb(verb); }))
      continue;
    if (output == "name") {
      call.io.out << resource.gvr.qualified() << "\n";
      continue;
    }
    std::vector<std::string> cells{resource.gvr.resource, join(resource.short_names, ","),
                                   resource.gvr.api_version(), resource.namespaced ? "true" : "false",
                                   resource.kind};
    if (output == "wide") {
      cells.push_back(join(resource.verbs, ","));
      cells.push_back(join(resource.categories, ","));
    }
    table.row(std::move(cells));
  }
  table.flush(call.io.out);
  return 0;
}

Result<int> run_api_versions(Invocation& call) {
  MK_TRY(call.parse());
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const Discovery* discovery, session->discovery());
  auto versions = discovery->versions();
  std::sort(versions.begin(), versions.end());
  for (const auto& version : versions) call.io.out << version << "\n";
  return 0;
}

Result<int> run_version(Invocation& call) {
  bool client_only = false;
  std::string output;
  call.flags.boolean("client", 0, client_only).text("output", 'o', output).ignored("short", 0, false);
  MK_TRY(call.parse());
  Json versions(JsonObject{
      {"clientVersion", JsonObject{{"gitVersion", "v1.36.0+mk"}, {"major", "1"}, {"minor", "36"}}}});
  if (!client_only) {
    MK_ASSIGN(Session * session, call.connect());
    MK_ASSIGN(const Json server, session->get("/version"));
    versions.as_object()["serverVersion"] = server;
  }
  if (output == "json") {
    call.io.out << trim(api::to_pretty_json(versions)) << "\n";
  } else if (output == "yaml") {
    call.io.out << api::to_yaml(versions);
  } else if (!output.empty()) {
    return usage_error("--output must be 'yaml' or 'json'");
  } else {
    call.io.out << "Client Version: " << api::str(versions, "clientVersion.gitVersion") << "\n";
    if (!client_only)
      call.io.out << "Server Version: " << api::str(versions, "serverVersion.gitVersion") << "\n";
  }
  return 0;
}

Result<int> run_cluster_info(Invocation& call) {
  MK_TRY(call.parse());
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const Json services, session->get("/api/v1/namespaces/kube-system/services?labelSelector=" +
                                              url_encode("kubernetes.io/cluster-service=true")));
  const std::string url = "https://" + session->server();
  call.io.out << "Kubernetes control plane is running at " << url << "\n";
  for (const auto& service : api::list(services, "items")) {
    const auto name = api::str(service, "metadata.name");
    std::string port;
    const auto& ports = api::list(service, "spec.ports");
    if (!ports.empty()) port = std::string(":") + std::string(api::str(ports[0], "name"));
    call.io.out << fmt::format("{} is running at {}/api/v1/namespaces/kube-system/services/{}{}/proxy\n",
                               name == "kube-dns" ? "CoreDNS" : name, url, name, port);
  }
  call.io.out << "\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n";
  return 0;
}

Result<int> run_config_view(Invocation& call) {
  bool raw = false, minify = false;
  std::string output = "yaml";
  call.flags.boolean("raw", 0, raw)
      .boolean("minify", 0, minify)
      .text("output", 'o', output)
      .ignored("flatten", 0, false)
      .ignored("merge", 0, false);
  MK_TRY(call.parse());
  const std::string path = kubeconfig_path(call.globals);
  const auto text =
      path.empty()
          ? Result<std::string>(std::string("apiVersion: v1\nkind: Config\nclusters: null\ncontexts: "
                                            "null\ncurrent-context: \"\"\nusers: null\n"))
          : read_file(path);
  if (!text.ok()) return text.error();
  MK_ASSIGN(Json config, api::parse_yaml(*text));
  const auto hide = [&](const char* list, const char* body, const char* key, const char* shown) {
    auto* items = config.is_object() ? config.as_object().if_contains(list) : nullptr;
    if (items == nullptr || !items->is_array()) return;
    for (auto& item : items->as_array()) {
      if (api::find(item, std::string(body) + "." + key))
        api::set(item, std::string(body) + "." + key, shown);
    }
  };
  if (!raw) {
    hide("clusters", "cluster", "certificate-authority-data", "DATA+OMITTED");
    hide("users", "user", "client-certificate-data", "DATA+OMITTED");
    hide("users", "user", "client-key-data", "DATA+OMITTED");
    hide("users", "user", "token", "REDACTED");
  }
  PrinterOptions options;
  options.output = output;
  MK_ASSIGN(auto printer, make_printer(options));
  if (printer) MK_TRY(printer->print(config, call.io.out));
  return 0;
}

Result<int> run_config_current_context(Invocation& call) {
  MK_TRY(call.parse());
  const std::string path = kubeconfig_path(call.globals);
  if (path.empty()) return usage_error("current-context is not set");
  MK_ASSIGN(const std::string text, read_file(path));
  MK_ASSIGN(const Json config, api::parse_yaml(text));
  const auto context = api::str(config, "current-context");
  if (context.empty()) return usage_error("current-context is not set");
  call.io.out << context << "\n";
  return 0;
}

Result<int> run_auth_can_i(Invocation& call) {
  bool quiet = false, all_namespaces = false;
  std::string subresource;
  call.flags.boolean("quiet", 'q', quiet)
      .boolean("all-namespaces", 'A', all_namespaces)
      .text("subresource", 0, subresource)
      .ignored("no-headers", 0, false);
  MK_TRY(call.parse());
  if (call.words.size() < 2 || call.words.size() > 3)
    return usage_error(
        "you must specify two arguments: verb resource or verb resource/resourceName.\nSee 'kubectl auth "
        "can-i -h' for help and examples.");
  MK_ASSIGN(Session * session, call.connect());
  Json review(JsonObject{{"apiVersion", "authorization.k8s.io/v1"}, {"kind", "SelfSubjectAccessReview"}});
  const std::string& what = call.words[1];
  if (what[0] == '/') {
    api::set(review, "spec.nonResourceAttributes",
             JsonObject{{"path", api::text(what)}, {"verb", api::text(call.words[0])}});
  } else {
    const auto slash = what.find('/');
    std::string type = what.substr(0, slash), group;
    MK_ASSIGN(const Discovery* discovery, session->discovery());
    const auto* known = discovery->find(type);
    if (known == nullptr && type != "*")
      call.io.err << fmt::format("Warning: the server doesn't have a resource type '{}'\n\n", type);
    if (known) group = known->gvr.group, type = known->gvr.resource;
    JsonObject attributes{
        {"verb", api::text(call.words[0])}, {"group", api::text(group)}, {"resource", api::text(type)}};
    if (slash != std::string::npos)
      attributes["name"] = api::text(what.substr(slash + 1));
    else if (call.words.size() == 3)
      attributes["name"] = api::text(call.words[2]);
    if (!subresource.empty()) attributes["subresource"] = api::text(subresource);
    if (!all_namespaces && (known == nullptr || known->namespaced))
      attributes["namespace"] = api::text(session->ns());
    api::set(review, "spec.resourceAttributes", std::move(attributes));
  }
  MK_ASSIGN(const Json answer,
            session->send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review));
  const bool allowed = api::flag(answer, "status.allowed");
  const auto reason = api::str(answer, "status.reason");
  if (!quiet)
    call.io.out << (allowed ? "yes" : reason.empty() ? "no" : fmt::format("no - {}", reason)) << "\n";
  return allowed ? 0 : 1;
}

Result<int> run_auth_whoami(Invocation& call) {
  MK_TRY(call.parse());
  MK_ASSIGN(Session * session, call.connect());
  const Json review(JsonObject{{"apiVersion", "authentication.k8s.io/v1"}, {"kind", "SelfSubjectReview"}});
  MK_ASSIGN(const Json answer,
            session->send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review));
  TabWriter table;
  table.row({"ATTRIBUTE", "VALUE"});
  table.row({"Username", std::string(api::str(answer, "status.userInfo.username"))});
  std::vector<std::string> groups;
  for (const auto& group : api::list(answer, "status.userInfo.groups")) groups.push_back(plain_text(group));
  table.row({"Groups", "[" + join(groups, " ") + "]"});
  table.flush(call.io.out);
  return 0;
}

}  // namespace mk::kubectl
