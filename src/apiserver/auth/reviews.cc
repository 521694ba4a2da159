#include "auth/reviews.h"

#include <fmt/format.h>

#include "auth/rules.h"
#include "mk/api/validation.h"
#include "mk/base/strings.h"

namespace mk::apiserver {
namespace {

using api::Json;
using api::JsonObject;

const std::string kAuthorization = "authorization.k8s.io";
const std::string kAuthentication = "authentication.k8s.io";

std::vector<std::string> strings(const Json& at, std::string_view path) {
  std::vector<std::string> out;
  for (const auto& item : api::list(at, path)) {
    if (const auto* text = item.if_string()) out.emplace_back(*text);
  }
  return out;
}

api::JsonArray json_strings(const std::vector<std::string>& items) {
  api::JsonArray out;
  for (const auto& item : items) out.emplace_back(item);
  return out;
}

const Json* part(const Json& spec, std::string_view key) {
  const Json* value = api::member(spec, key);
  return value != nullptr && value->is_object() ? value : nullptr;
}

// A selector is given raw or as requirements, not both.
void check_selector(const Json& attributes, std::string_view key, std::vector<Cause>& causes) {
  const Json* selector = part(attributes, key);
  if (selector == nullptr) return;
  const std::string path = fmt::format("spec.resourceAttributes.{}", key);
  const bool raw = !api::str(*selector, "rawSelector").empty(),
             listed = !api::list(*selector, "requirements").empty();
  if (raw && listed)
    causes.push_back(api::invalid(path + ".rawSelector",
                                  "\"" + std::string(api::str(*selector, "rawSelector")) + "\"",
                                  "may not specified at the same time as requirements"));
  if (!raw && !listed)
    causes.push_back(
        api::required(path + ".requirements",
                      fmt::format("when {} is specified, requirements or rawSelector is required", path)));
}

void check_attributes(const Json& spec, std::vector<Cause>& causes) {
  const Json* resource = part(spec, "resourceAttributes");
  const Json* path = part(spec, "nonResourceAttributes");
  if (resource != nullptr && path != nullptr)
    causes.push_back(api::invalid("spec.nonResourceAttributes", api::to_json(*path),
                                  "cannot be specified in combination with resourceAttributes"));
  if (resource == nullptr && path == nullptr)
    causes.push_back(
        api::invalid("spec.resourceAttributes", "null",
                     "exactly one of nonResourceAttributes or resourceAttributes must be specified"));
  if (resource == nullptr) return;
  check_selector(*resource, "fieldSelector", causes);
  check_selector(*resource, "labelSelector", causes);
}

void check_subject(const Json& spec, std::vector<Cause>& causes) {
  if (api::str(spec, "user").empty() && api::list(spec, "groups").empty())
    causes.push_back(api::invalid("spec.user", "\"\"", "at least one of user or group must be specified"));
}

// Reviews are not stored, so a name or labels would be a misunderstanding. The server's own bookkeeping is
// not.
void check_metadata(const Json& review, std::initializer_list<std::string_view> may,
                    std::vector<Cause>& causes) {
  JsonObject metadata = api::object(review, "metadata");
  for (const std::string_view key : {"managedFields", "creationTimestamp"}) metadata.erase(key);
  for (const auto key : may) metadata.erase(key);
  if (!metadata.empty())
    causes.push_back(api::invalid("metadata", api::to_json(metadata),
                                  may.size() == 0 ? "must be empty" : "must be empty except for namespace"));
}

std::string requirement_text(const Json& requirement) {
  const auto key = api::str(requirement, "key"), op = api::str(requirement, "operator");
  const std::string values = join(strings(requirement, "values"), ",");
  if (op == "In") return fmt::format("{} in ({})", key, values);
  if (op == "NotIn") return fmt::format("{} notin ({})", key, values);
  if (op == "Exists") return std::string(key);
  if (op == "DoesNotExist") return fmt::format("!{}", key);
  return "";
}

std::string label_selector(const Json& attributes) {
  const Json* selector = part(attributes, "labelSelector");
  if (selector == nullptr) return "";
  if (const auto raw = api::str(*selector, "rawSelector"); !raw.empty()) return std::string(raw);
  std::vector<std::string> terms;
  for (const auto& item : api::list(*selector, "requirements")) {
    if (auto text = requirement_text(item); !text.empty()) terms.push_back(std::move(text));
  }
  return join(terms, ",");
}

// Only terms of one value can be said as a field selector; leaving the others out asks about more, which is
// safe.
std::string field_selector(const Json& attributes) {
  const Json* selector = part(attributes, "fieldSelector");
  if (selector == nullptr) return "";
  if (const auto raw = api::str(*selector, "rawSelector"); !raw.empty()) return std::string(raw);
  std::vector<std::string> terms;
  for (const auto& item : api::list(*selector, "requirements")) {
    const auto values = strings(item, "values");
    const auto op = api::str(item, "operator");
    if (values.size() != 1 || (op != "In" && op != "NotIn")) continue;
    terms.push_back(fmt::format("{}{}{}", api::str(item, "key"), op == "In" ? "=" : "!=", values[0]));
  }
  return join(terms, ",");
}

Attributes attributes_of(const Json& spec, UserInfo user) {
  Attributes out;
  out.user = std::move(user);
  if (const Json* path = part(spec, "nonResourceAttributes")) {
    out.resource_request = false;
    out.verb = api::str(*path, "verb");
    out.path = api::str(*path, "path");
    return out;
  }
  const Json* resource = part(spec, "resourceAttributes");
  if (resource == nullptr) return out;
  out.verb = api::str(*resource, "verb");
  out.group = api::str(*resource, "group");
  out.version = api::str(*resource, "version", "*");
  out.resource = api::str(*resource, "resource");
  out.subresource = api::str(*resource, "subresource");
  out.ns = api::str(*resource, "namespace");
  out.name = api::str(*resource, "name");
  out.field_selector = field_selector(*resource);
  out.label_selector = label_selector(*resource);
  return out;
}

UserInfo subject_of(const Json& spec) {
  UserInfo user;
  user.name = api::str(spec, "user");
  user.uid = api::str(spec, "uid");
  user.groups = strings(spec, "groups");
  for (const auto& [key, values] : api::object(spec, "extra")) {
    auto& out = user.extra[std::string(key)];
    const auto* array = values.if_array();
    if (array == nullptr) continue;
    for (const auto& value : *array) {
      if (const auto* text = value.if_string()) out.emplace_back(*text);
    }
  }
  return user;
}

const Json& spec_of(const Json& review) {
  static const Json kEmpty = JsonObject();
  const Json* spec = part(review, "spec");
  return spec == nullptr ? kEmpty : *spec;
}

Json with_status(const Json& review, JsonObject status) {
  Json out = review;
  api::set(out, "status", std::move(status));
  return out;
}

Json with_decision(const Json& review, const Decision& decision) {
  JsonObject status;
  status["allowed"] = decision.allowed;
  if (!decision.reason.empty()) status["reason"] = decision.reason;
  return with_status(review, std::move(status));
}

Result<void> valid(std::string_view group, std::string_view kind, std::vector<Cause> causes) {
  if (causes.empty()) return ok();
  return api::invalid_object(api::Gvk{std::string(group), "v1", std::string(kind)}, "", std::move(causes));
}

}  // namespace

Json user_json(const UserInfo& user) {
  JsonObject out;
  if (!user.name.empty()) out["username"] = user.name;
  if (!user.uid.empty()) out["uid"] = user.uid;
  if (!user.groups.empty()) out["groups"] = json_strings(user.groups);
  JsonObject extra;
  for (const auto& [key, values] : user.extra) extra[key] = json_strings(values);
  if (!extra.empty()) out["extra"] = std::move(extra);
  return out;
}

Result<Json> review_subject_access(Authorizer& authorizer, const Json& review) {
  const Json& spec = spec_of(review);
  std::vector<Cause> causes;
  check_attributes(spec, causes);
  check_subject(spec, causes);
  check_metadata(review, {}, causes);
  MK_TRY(valid(kAuthorization, "SubjectAccessReview", std::move(causes)));
  return with_decision(review, authorizer.authorize(attributes_of(spec, subject_of(spec))));
}

Result<Json> review_local_subject_access(Authorizer& authorizer, const std::string& ns, const Json& review) {
  const Json& spec = spec_of(review);
  std::vector<Cause> causes;
  check_attributes(spec, causes);
  check_subject(spec, causes);
  check_metadata(review, {"namespace"}, causes);
  if (part(spec, "nonResourceAttributes") != nullptr)
    causes.push_back(api::invalid("spec.nonResourceAttributes",
                                  api::to_json(*part(spec, "nonResourceAttributes")),
                                  "disallowed on this kind of request"));
  const std::string own(api::str(spec, "resourceAttributes.namespace"));
  if (part(spec, "resourceAttributes") != nullptr && own != api::str(review, "metadata.namespace", ns))
    causes.push_back(api::invalid("spec.resourceAttributes.namespace", "\"" + own + "\"",
                                  "must match metadata.namespace"));
  MK_TRY(valid(kAuthorization, "LocalSubjectAccessReview", std::move(causes)));
  if (own != ns)
    return Error(Reason::kBadRequest,
                 fmt::format("spec.resourceAttributes.namespace must match namespace: {}", ns));
  return with_decision(review, authorizer.authorize(attributes_of(spec, subject_of(spec))));
}

Result<Json> review_self_subject_access(Authorizer& authorizer, const UserInfo& user, const Json& review) {
  const Json& spec = spec_of(review);
  std::vector<Cause> causes;
  check_attributes(spec, causes);
  check_metadata(review, {}, causes);
  MK_TRY(valid(kAuthorization, "SelfSubjectAccessReview", std::move(causes)));
  return with_decision(review, authorizer.authorize(attributes_of(spec, user)));
}

Result<Json> review_self_subject_rules(Authorizer& authorizer, const UserInfo& user, const Json& review) {
  const std::string ns(api::str(review, "spec.namespace"));
  if (ns.empty()) return Error(Reason::kBadRequest, "no namespace on request");
  bool incomplete = false;
  std::vector<PolicyRule> resources, paths;
  for (const auto& rule : authorizer.rules_for(user, ns, incomplete)) {
    if (!rule.resources.empty())
      resources.push_back({rule.verbs, rule.groups, rule.resources, rule.names, {}});
    if (!rule.paths.empty()) paths.push_back({rule.verbs, {}, {}, {}, rule.paths});
  }
  JsonObject status;
  status["resourceRules"] = rules_json(resources);
  status["nonResourceRules"] = rules_json(paths);
  status["incomplete"] = incomplete;
  if (incomplete) status["evaluationError"] = "node authorizer does not support user rule resolution";
  return with_status(review, std::move(status));
}

Result<Json> review_self_subject(const UserInfo& user, const std::string& now, const Json& review) {
  JsonObject status;
  status["userInfo"] = user_json(user);
  Json out = with_status(review, std::move(status));
  api::set(out, "metadata.creationTimestamp", Json(now));
  return out;
}

Result<Json> review_token(Authenticator& authenticator, const Json& review) {
  std::vector<Cause> causes;
  check_metadata(review, {}, causes);
  MK_TRY(valid(kAuthentication, "TokenReview", std::move(causes)));
  const std::string token(api::str(review, "spec.token"));
  if (token.empty()) return Error(Reason::kBadRequest, "token is required for TokenReview in authentication");
  std::vector<std::string> accepted;
  const auto user = authenticator.authenticate_token(token, strings(review, "spec.audiences"), accepted);
  JsonObject status;
  if (user.ok()) {
    status["authenticated"] = true;
    status["user"] = user_json(*user);
    if (!accepted.empty()) status["audiences"] = json_strings(accepted);
  } else {
    status["user"] = JsonObject();
    status["error"] = user.error().message();
  }
  return with_status(review, std::move(status));
}

}  // namespace mk::apiserver
