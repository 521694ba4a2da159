#include "mk/cel/authorizer.h"

#include "check/functions.h"
#include "library/opaque.h"

// The builder that asks whether somebody may do something.
namespace mk::cel {

namespace {

// A question half asked; every step makes a new one.
struct Question {
  const AuthorizationSource* source = nullptr;
  std::shared_ptr<const AuthorizationQuery> request;  // of requestResource
  AuthorizationQuery query;
  bool operator==(const Question& other) const = default;
};
struct Answer {
  AuthorizationAnswer content;
  bool operator==(const Answer& other) const { return this == &other; }
};

struct AuthorizerKind {
  static constexpr const char* kName = "kubernetes.authorization.Authorizer";
};
struct PathKind {
  static constexpr const char* kName = "kubernetes.authorization.PathCheck";
};
struct GroupKind {
  static constexpr const char* kName = "kubernetes.authorization.GroupCheck";
};
struct ResourceKind {
  static constexpr const char* kName = "kubernetes.authorization.ResourceCheck";
};
struct DecisionKind {
  static constexpr const char* kName = "kubernetes.authorization.Decision";
};
using Authorizer = Boxed<AuthorizerKind, Question>;
using PathCheck = Boxed<PathKind, Question>;
using GroupCheck = Boxed<GroupKind, Question>;
using ResourceCheck = Boxed<ResourceKind, Question>;
using Decision = Boxed<DecisionKind, Answer>;

Value service_account(Arguments a) {
  Question next = Authorizer::of(a[0]);
  next.query.service_account_namespace = a[1].as_string();
  next.query.service_account_name = a[2].as_string();
  return Authorizer::box(std::move(next));
}
Value path(Arguments a) {
  Question next = Authorizer::of(a[0]);
  next.query.path = a[1].as_string();
  if (next.query.path.empty()) return Value::error("path must not be empty");
  return PathCheck::box(std::move(next));
}
Value group(Arguments a) {
  Question next = Authorizer::of(a[0]);
  next.query.resource_request = true;
  next.query.group = a[1].as_string();
  return GroupCheck::box(std::move(next));
}
Value request_resource(Arguments a) {
  Question next = Authorizer::of(a[0]);
  if (!next.request) return Value::error("no such key: requestResource");
  const AuthorizationQuery asked = next.query;
  next.query = *next.request;
  next.query.service_account_namespace = asked.service_account_namespace;
  next.query.service_account_name = asked.service_account_name;
  return ResourceCheck::box(std::move(next));
}
Value resource(Arguments a) {
  Question next = GroupCheck::of(a[0]);
  next.query.resource = a[1].as_string();
  return ResourceCheck::box(std::move(next));
}
template <std::string AuthorizationQuery::*kField>
Value with(Arguments a) {
  Question next = ResourceCheck::of(a[0]);
  next.query.*kField = a[1].as_string();
  return ResourceCheck::box(std::move(next));
}

Value ask(const Question& question, const Value& verb) {
  AuthorizationQuery query = question.query;
  query.verb = verb.as_string();
  return Decision::box(Answer{question.source->authorize(query)});
}
Value check_path(Arguments a) {
  return ask(PathCheck::of(a[0]), a[1]);
}
Value check_resource(Arguments a) {
  return ask(ResourceCheck::of(a[0]), a[1]);
}
Value allowed(Arguments a) {
  return Value::of(Decision::of(a[0]).content.allowed);
}
Value reason(Arguments a) {
  return Value::string(Decision::of(a[0]).content.reason);
}
Value errored(Arguments a) {
  return Value::of(!Decision::of(a[0]).content.error.empty());
}
Value error(Arguments a) {
  return Value::string(Decision::of(a[0]).content.error);
}

#define MK_AUTHORIZATION "kubernetes.authorization."
constexpr FunctionRow kRows[] = {
    {MK_AUTHORIZATION "Authorizer::serviceAccount(string, string): " MK_AUTHORIZATION "Authorizer",
     service_account},
    {MK_AUTHORIZATION "Authorizer::path(string): " MK_AUTHORIZATION "PathCheck", path},
    {MK_AUTHORIZATION "Authorizer::group(string): " MK_AUTHORIZATION "GroupCheck", group},
    {"@request_resource(" MK_AUTHORIZATION "Authorizer): " MK_AUTHORIZATION "ResourceCheck",
     request_resource},
    {MK_AUTHORIZATION "GroupCheck::resource(string): " MK_AUTHORIZATION "ResourceCheck", resource},
    {MK_AUTHORIZATION "ResourceCheck::subresource(string): " MK_AUTHORIZATION "ResourceCheck",
     with<&AuthorizationQuery::subresource>},
    {MK_AUTHORIZATION "ResourceCheck::namespace(string): " MK_AUTHORIZATION "ResourceCheck",
     with<&AuthorizationQuery::ns>},
    {MK_AUTHORIZATION "ResourceCheck::name(string): " MK_AUTHORIZATION "ResourceCheck",
     with<&AuthorizationQuery::name>},
    {MK_AUTHORIZATION "ResourceCheck::fieldSelector(string): " MK_AUTHORIZATION "ResourceCheck",
     with<&AuthorizationQuery::field_selector>},
    {MK_AUTHORIZATION "ResourceCheck::labelSelector(string): " MK_AUTHORIZATION "ResourceCheck",
     with<&AuthorizationQuery::label_selector>},
    {MK_AUTHORIZATION "PathCheck::check(string): " MK_AUTHORIZATION "Decision", check_path, Cost::kAuthorize},
    {MK_AUTHORIZATION "ResourceCheck::check(string): " MK_AUTHORIZATION "Decision", check_resource,
     Cost::kAuthorize},
    {MK_AUTHORIZATION "Decision::allowed(): bool", allowed},
    {MK_AUTHORIZATION "Decision::reason(): string", reason},
    {MK_AUTHORIZATION "Decision::errored(): bool", errored},
    {MK_AUTHORIZATION "Decision::error(): string", error}};
#undef MK_AUTHORIZATION

}  // namespace

TypePtr authorizer_type() {
  return types::opaque(AuthorizerKind::kName);
}

Value authorizer_value(const AuthorizationSource& source, const AuthorizationQuery* request) {
  Question question;
  question.source = &source;
  if (request != nullptr) question.request = std::make_shared<const AuthorizationQuery>(*request);
  return Authorizer::box(std::move(question));
}

std::span<const FunctionRow> authorizer_functions() {
  return kRows;
}

}  // namespace mk::cel
