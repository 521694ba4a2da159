#include "admission/policies/evaluation.h"

#include <fmt/format.h>

#include "admission/policies/kinds.h"
#include "mk/base/ids.h"

namespace mk::apiserver {

using api::Json;
using api::JsonObject;
using cel::Value;

namespace {

Json user_json(const UserInfo& user) {
  JsonObject out{{"username", user.name}};
  if (!user.uid.empty()) out["uid"] = user.uid;
  api::JsonArray groups;
  for (const auto& group : user.groups) groups.push_back(api::text(group));
  out["groups"] = std::move(groups);
  JsonObject extra;
  for (const auto& [key, values] : user.extra) {
    api::JsonArray list;
    for (const auto& value : values) list.push_back(api::text(value));
    extra[key] = std::move(list);
  }
  if (!extra.empty()) out["extra"] = std::move(extra);
  return out;
}

Json options_json(const WriteContext& context) {
  JsonObject out{{"apiVersion", "meta.k8s.io/v1"}};
  out["kind"] = context.operation == "CREATE"   ? "CreateOptions"
                : context.operation == "DELETE" ? "DeleteOptions"
                                                : "UpdateOptions";
  if (!context.field_manager.empty()) out["fieldManager"] = context.field_manager;
  if (context.dry_run) out["dryRun"] = api::JsonArray{"All"};
  return out;
}

std::string name_of(const WriteContext& context, const Json* object) {
  if (!context.name.empty() || object == nullptr) return context.name;
  return std::string(api::str(*object, "metadata.name"));
}

Json kind_json(const api::ResourceInfo& resource) {
  const auto& gvr = resource.gvr;
  return JsonObject{{"group", gvr.group}, {"version", gvr.version}, {"kind", resource.kind}};
}

Json resource_json(const api::ResourceInfo& resource) {
  const auto& gvr = resource.gvr;
  return JsonObject{{"group", gvr.group}, {"version", gvr.version}, {"resource", gvr.resource}};
}

// admission.k8s.io/v1 AdmissionRequest, without the objects.
Json request_json(const WriteContext& context, const api::ResourceInfo& seen, const Json* object) {
  JsonObject out{{"uid", new_uid()},
                 {"kind", kind_json(seen)},
                 {"resource", resource_json(seen)},
                 {"requestKind", kind_json(*context.resource)},
                 {"requestResource", resource_json(*context.resource)},
                 {"subResource", context.subresource},
                 {"requestSubResource", context.subresource},
                 {"name", name_of(context, object)},
                 {"namespace", context.ns},
                 {"operation", context.operation},
                 {"userInfo", user_json(context.user)},
                 {"dryRun", context.dry_run},
                 {"options", options_json(context)}};
  return out;
}

std::string verb_of(const WriteContext& context) {
  return context.operation == "CREATE" ? "create" : context.operation == "DELETE" ? "delete" : "update";
}

}  // namespace

PolicyRequest::PolicyRequest(const WriteContext& context, const Json* object, const Json* old,
                             const PolicyWorld& world, ResourceRef seen)
    : context_(context), object_(object), old_(old), world_(world), seen_(std::move(seen)) {}

cel::AuthorizationAnswer PolicyRequest::authorize(const cel::AuthorizationQuery& query) const {
  Attributes attributes;
  attributes.user = context_.user;
  if (!query.service_account_name.empty()) {
    attributes.user = UserInfo();
    attributes.user.name = fmt::format("system:serviceaccount:{}:{}", query.service_account_namespace,
                                       query.service_account_name);
    attributes.user.groups = {"system:serviceaccounts",
                              "system:serviceaccounts:" + query.service_account_namespace,
                              "system:authenticated"};
  }
  attributes.verb = query.verb;
  attributes.resource_request = query.resource_request;
  attributes.group = query.group;
  attributes.version = query.version;
  attributes.resource = query.resource;
  attributes.subresource = query.subresource;
  attributes.ns = query.ns;
  attributes.name = query.name;
  attributes.path = query.path;
  attributes.field_selector = query.field_selector;
  attributes.label_selector = query.label_selector;
  const Decision decision = world_.authorizer.authorize(attributes);
  return {decision.allowed, decision.reason, ""};
}

Value PolicyRequest::request() const {
  if (!request_) request_ = request_json(context_, *seen_, object_);
  return Value::json(*request_);
}

Value PolicyRequest::namespace_object() const {
  if (context_.ns.empty()) return Value::null();
  if (!namespace_) namespace_ = world_.cacher.get(api::resources::kNamespaces, api::Key("", context_.ns));
  return *namespace_ ? Value::json(namespace_->json()) : Value::null();
}

Value PolicyRequest::authorizer() const {
  cel::AuthorizationQuery query;
  const auto& gvr = context_.resource->gvr;
  query.resource_request = true;
  query.verb = verb_of(context_);
  query.group = gvr.group;
  query.version = gvr.version;
  query.resource = gvr.resource;
  query.subresource = context_.subresource;
  query.ns = context_.ns;
  query.name = name_of(context_, object_);
  return cel::authorizer_value(*this, &query);
}

// `variables`: each computed when first read.
class PolicyEvaluation::Variables : public cel::Map {
 public:
  explicit Variables(const PolicyEvaluation& evaluation) : evaluation_(evaluation) {}

  std::size_t size() const override { return evaluation_.policy_.variables.size(); }
  Value find(const Value& key) const override {
    if (!key.is(Value::Kind::kString)) return Value::absent();
    const auto known = values_.find(key.as_string());
    if (known != values_.end()) return known->second;
    for (const auto& variable : evaluation_.policy_.variables) {
      if (variable.name != key.as_string()) continue;
      auto computed = evaluation_.run(variable.program);
      Value value = computed.ok()
                        ? std::move(*computed)
                        : Value::error(fmt::format("composited variable \"{}\" fails to evaluate: {}",
                                                   variable.name, computed.error().message()));
      return values_.emplace(variable.name, std::move(value)).first->second;
    }
    return Value::absent();
  }
  void for_each(const std::function<bool(const Value&)>& visit) const override {
    for (const auto& variable : evaluation_.policy_.variables) {
      if (!visit(Value::string_view(variable.name))) return;
    }
  }

 private:
  const PolicyEvaluation& evaluation_;
  mutable std::map<std::string, Value, std::less<>> values_;
};

PolicyEvaluation::PolicyEvaluation(const Policy& policy, const PolicyRequest& request,
                                   const api::Object& params)
    : policy_(policy),
      request_(request),
      params_(params),
      variables_(std::make_shared<const Variables>(*this)) {}

Value PolicyEvaluation::get(std::size_t index) const {
  switch (static_cast<cel::AdmissionVariable>(index)) {
    case cel::AdmissionVariable::kObject:
      return request_.object();
    case cel::AdmissionVariable::kOldObject:
      return request_.old_object();
    case cel::AdmissionVariable::kRequest:
      return request_.request();
    case cel::AdmissionVariable::kParams:
      return params_ ? Value::json(params_.json()) : Value::null();
    case cel::AdmissionVariable::kNamespaceObject:
      return request_.namespace_object();
    case cel::AdmissionVariable::kVariables:
      return Value::map(std::shared_ptr<const cel::Map>(variables_));
    case cel::AdmissionVariable::kAuthorizer:
      return request_.authorizer();
    case cel::AdmissionVariable::kCount:
      break;
  }
  return Value::null();
}

Result<bool> PolicyEvaluation::conditions_hold() const {
  std::optional<Error> failed;
  cel::Budget budget(cel::limits::kMatchConditionsBudget);
  for (const auto& condition : policy_.conditions) {
    const auto value = condition.program.evaluate(*this, budget);
    if (value.ok() && value->is_false()) return false;
    if (value.ok() && value->is_true()) continue;
    if (!failed)
      failed = Error(Reason::kInvalid, value.ok() ? "cel evaluation error: expression must evaluate to bool"
                                                  : value.error().message());
  }
  if (failed) return std::move(*failed);
  return true;
}

Result<std::vector<api::Object>> find_params(const Policy& policy, const PolicyBinding& binding,
                                             const PolicyRequest& request) {
  std::vector<api::Object> out;
  if (!policy.param_kind || binding.param_ref.is_null()) return std::vector<api::Object>{api::Object()};
  const ResourceRef resource = find_kind(request.world().table, *policy.param_kind);
  if (!resource)
    return Error(Reason::kInvalid,
                 fmt::format("failed to find resource referenced by paramKind: '{}, Kind={}'",
                             policy.param_kind->api_version(), policy.param_kind->kind));
  std::string ns(api::str(binding.param_ref, "namespace"));
  if (!resource->namespaced && !ns.empty())
    return Error(Reason::kInvalid,
                 "paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
  if (resource->namespaced && ns.empty()) ns = request.context().ns;
  if (resource->namespaced && ns.empty())
    return Error(Reason::kInvalid,
                 "cannot use namespaced paramRef in policy binding that matches cluster-scoped "
                 "resources");
  if (const auto name = api::str(binding.param_ref, "name"); !name.empty()) {
    if (auto found = request.world().cacher.get(resource->gvr, api::Key(ns, std::string(name))))
      out.push_back(found);
  } else {
    MK_ASSIGN(const auto selector, api::LabelSelector::from_json(api::find(binding.param_ref, "selector")));
    request.world().cacher.resource(resource->gvr).for_each(ns, [&](const api::Object& object) {
      if (selector.matches(api::object(object.json(), "metadata.labels"))) out.push_back(object);
      return true;
    });
  }
  if (out.empty() && api::str(binding.param_ref, "parameterNotFoundAction") != "Allow")
    return Error(Reason::kInvalid, "no params found for policy binding with `Deny` parameterNotFoundAction");
  return out;
}

}  // namespace mk::apiserver
