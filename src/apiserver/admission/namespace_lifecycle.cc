#include <fmt/format.h>

#include "admission/plugins.h"
#include "mk/api/resource.h"

namespace mk::apiserver {

namespace {

// Nothing is made in a namespace that is not there or on its way out, and three namespaces never go.
class NamespaceLifecycle : public AdmissionPlugin {
 public:
  explicit NamespaceLifecycle(Cacher& cacher) : cacher_(cacher) {}
  std::string_view name() const override { return "NamespaceLifecycle"; }

  Result<void> mutate(WriteContext& context, api::Json* object, const api::Json* old) override {
    const bool about_namespace = context.resource->gvr.qualified() == "namespaces";
    if (context.operation == "DELETE" && about_namespace) {
      const bool immortal =
          context.name == "default" || context.name == "kube-system" || context.name == "kube-public";
      if (immortal) return forbidden_by(context, old, "this namespace may not be deleted");
    }
    if (context.operation != "CREATE" || about_namespace || !context.resource->namespaced ||
        context.ns.empty())
      return ok();
    // Reviews ask about a namespace and leave nothing in it.
    if (context.resource->gvr.resource == "localsubjectaccessreviews") return ok();
    return check_namespace(context, object);
  }

 private:
  Result<void> check_namespace(const WriteContext& context, const api::Json* object) {
    const auto ns = cacher_.get(api::resources::kNamespaces, api::Key("", context.ns));
    if (!ns) {
      Error error(Reason::kNotFound, fmt::format("namespaces \"{}\" not found", context.ns));
      error.kind = "namespaces";
      error.name = context.ns;
      return error;
    }
    if (!ns.deleting() && api::str(ns.json(), "status.phase") != "Terminating") return ok();
    auto error = forbidden_by(
        context, object,
        fmt::format("unable to create new content in namespace {} because it is being terminated",
                    context.ns));
    error.causes.emplace_back("metadata.namespace", "NamespaceTerminating",
                              fmt::format("namespace {} is being terminated", context.ns));
    return error;
  }

  Cacher& cacher_;
};

}  // namespace

std::unique_ptr<AdmissionPlugin> make_namespace_lifecycle(Cacher& cacher) {
  return std::make_unique<NamespaceLifecycle>(cacher);
}

}  // namespace mk::apiserver
