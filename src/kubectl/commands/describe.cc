#include "describe/describe.h"

#include <fmt/format.h>

#include "cluster/targets.h"
#include "commands/commands.h"
#include "mk/base/strings.h"
#include "print/tab_writer.h"

namespace mk::kubectl {

using api::Json;

namespace {

// What a kind's page shows besides the object: "" for nothing.
std::string related_path(const Target& target) {
  const std::string& kind = target.resource->kind;
  const std::string& group = target.resource->gvr.group;
  const std::string ns = url_encode(target.ns);
  if (group == "apps" && kind == "Deployment") return "/apis/apps/v1/namespaces/" + ns + "/replicasets";
  if (group == "apps" && target.resource->namespaced) return "/api/v1/namespaces/" + ns + "/pods";
  if (group.empty() && kind == "ReplicationController") return "/api/v1/namespaces/" + ns + "/pods";
  if (group.empty() && kind == "Service")
    return "/apis/discovery.k8s.io/v1/namespaces/" + ns +
           "/endpointslices?labelSelector=" + url_encode("kubernetes.io/service-name=" + target.name);
  if (group.empty() && kind == "Node")
    return "/api/v1/pods?fieldSelector=" +
           url_encode("spec.nodeName=" + target.name + ",status.phase!=Succeeded,status.phase!=Failed");
  return "";
}

std::string events_path(const Found& entry) {
  std::string selector = "involvedObject.name=" + entry.target.name;
  if (!entry.target.ns.empty()) selector += ",involvedObject.namespace=" + entry.target.ns;
  // A node's events name the node where other objects have their uid.
  const bool node = entry.target.resource->gvr.group.empty() && entry.target.resource->kind == "Node";
  selector += ",involvedObject.uid=" +
              (node ? entry.target.name : std::string(api::str(entry.object, "metadata.uid")));
  const std::string base = entry.target.ns.empty()
                               ? "/api/v1/events"
                               : "/api/v1/namespaces/" + url_encode(entry.target.ns) + "/events";
  return base + "?fieldSelector=" + url_encode(selector);
}

}  // namespace

Result<int> run_describe(Invocation& call) {
  FileFlags files;
  Selectors selectors;
  bool all_namespaces = false, show_events = true;
  files.bind(call.flags);
  selectors.bind(call.flags);
  call.flags.boolean("all-namespaces", 'A', all_namespaces)
      .boolean("show-events", 0, show_events)
      .ignored("chunk-size", 0, true);
  MK_TRY(call.parse());
  MK_ASSIGN(Session * session, call.connect());
  TargetRules rules;
  rules.all_namespaces = all_namespaces;
  MK_ASSIGN(const auto targets, choose_targets(call, *session, files, rules));
  MK_ASSIGN(const auto found, fetch(*session, targets, selectors));
  if (found.empty()) {
    call.io.err << (all_namespaces ? std::string("No resources found\n")
                                   : fmt::format("No resources found in {} namespace.\n", session->ns()));
    return 0;
  }
  bool first = true;
  for (const auto& entry : found) {
    DescribeContext context;
    context.now =
        std::chrono::duration_cast<std::chrono::seconds>(session->clock().now().time_since_epoch()).count();
    // A page without its extras is better than none: they may be forbidden.
    const std::string related = related_path(entry.target);
    if (!related.empty()) context.related = session->get(related).value_or(nullptr);
    const auto kind = entry.target.resource->kind;
    if (show_events && kind != "Namespace" && kind != "Secret")
      context.events = session->get(events_path(entry)).value_or(nullptr);
    if (!first) call.io.out << "\n\n";
    first = false;
    call.io.out << align_tabs(describe_object(entry.object, context), 0, 2);
  }
  return 0;
}

}  // namespace mk::kubectl
