#include "admission/policies/policies.h"

#include "registry/test_api.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;

namespace {

// Says yes to readers, but of what is secret.
class Readers : public Authorizer {
 public:
  Decision authorize(const Attributes& attributes) override {
    const bool all = attributes.resource == "*";
    const bool secret = attributes.resource == "secrets" && attributes.name != "open";
    return {attributes.verb == "get" && !all && !secret, ""};
  }
  std::vector<PolicyRule> rules_for(const UserInfo&, const std::string&, bool&) override { return {}; }
};

class PolicyApi : public TestApi {
 public:
  PolicyApi() {
    const PolicyWorld world{cacher(), readers_, table_};
    admission().add(make_mutating_policies(world));
    admission().add(make_validating_policies(world));
    admission().add(make_policy_authorship(world));
  }

  // `spec` is more of the spec than a rule for ConfigMaps; bound with Deny unless `binding` says more.
  void policy(const std::string& kind, const std::string& name, std::string_view spec,
              std::string_view binding = "{}") {
    create(manifest(kind, name, R"({failurePolicy: Fail, matchConstraints: {resourceRules: [{apiGroups: [""],
      apiVersions: [v1], operations: [CREATE, UPDATE, DELETE], resources: [configmaps]}]}})",
                    spec));
    const std::string bound = kind == "ValidatingAdmissionPolicy"
                                  ? "{policyName: " + name + ", validationActions: [Deny]}"
                                  : "{policyName: " + name + "}";
    create(manifest(kind + "Binding", name + "-b", bound, binding));
  }
  void validating(std::string_view spec, std::string_view binding = "{}") {
    policy("ValidatingAdmissionPolicy", "p", spec, binding);
  }
  void mutating(std::string_view spec, std::string_view binding = "{}") {
    policy("MutatingAdmissionPolicy", "p", spec, binding);
  }

  // Of creating a ConfigMap with `data`; "" when it is fine.
  std::string refusal(std::string_view data) {
    const std::string name = "c" + std::to_string(next_++);
    auto made = try_create("{apiVersion: v1, kind: ConfigMap, metadata: {name: " + name +
                           ", namespace: default}, data: " + std::string(data) + "}");
    if (made.ok()) return "";
    reason = made.error().reason();
    std::string text = made.error().message();
    const auto at = text.find(name);
    return at == std::string::npos ? text : text.replace(at, name.size(), "c");
  }

  Json mutated(std::string_view data) {
    auto made = try_create(
        "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: m, namespace: default}, data: " +
        std::string(data) + "}");
    if (!made.ok()) FAIL(made.error().message());
    return made->object.json();
  }

  static std::string manifest(const std::string& kind, const std::string& name, std::string_view base,
                              std::string_view more) {
    Json spec = yaml(base);
    const Json extra = yaml(more);
    for (const auto& entry : extra.get_object()) spec.get_object()[entry.key()] = entry.value();
    Json out(api::JsonObject{{"apiVersion", "admissionregistration.k8s.io/v1"}, {"kind", kind}});
    api::set(out, "metadata.name", api::text(name));
    api::set(out, "spec", std::move(spec));
    return api::to_json(out);
  }

  Reason reason = Reason::kUnknown;

 private:
  Readers readers_;
  ResourceTable table_;
  int next_ = 0;
};

}  // namespace

TEST_CASE("a validation that does not hold refuses in Kubernetes' words") {
  PolicyApi api;
  api.validating("{validations: [{expression: 'object.data.n == \"1\"', message: must be one}]}");
  CHECK(api.refusal("{n: '1'}").empty());
  CHECK(api.refusal("{n: '2'}") ==
        "configmaps \"c\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p-b' denied request: "
        "must be one");
  CHECK(api.reason == Reason::kInvalid);
  CHECK(api.refusal("{}").find("expression 'object.data.n == \"1\"' resulted in error: no such key: ") !=
        std::string::npos);
}

TEST_CASE("messages are expressions, then text, then the expression that failed") {
  PolicyApi api;
  api.validating(
      R"({validations: [{expression: 'object.data.n != "1"', messageExpression: "'n is ' + object.data.n", reason: Forbidden},
    {expression: 'object.data.n != "2"', messageExpression: "'n is ' + object.data.missing", message: fallback},
    {expression: '  object.data.n != "3" '}]})");
  CHECK(api.refusal("{n: '1'}").ends_with("denied request: n is 1"));
  CHECK(api.reason == Reason::kForbidden);
  CHECK(api.refusal("{n: '2'}").ends_with("denied request: fallback"));
  CHECK(api.refusal("{n: '3'}").ends_with("denied request: failed expression: object.data.n != \"3\""));
}

TEST_CASE("errors follow failurePolicy") {
  PolicyApi api;
  api.validating("{failurePolicy: Ignore, validations: [{expression: 'object.data.n == \"1\"'}]}");
  CHECK(api.refusal("{}").empty());
  CHECK(!api.refusal("{n: '2'}").empty());
}

TEST_CASE("variables are computed from each other") {
  PolicyApi api;
  api.validating(
      R"({variables: [{name: n, expression: int(object.data.n)}, {name: odd, expression: variables.n % 2 == 1}],
    validations: [{expression: variables.odd}]})");
  CHECK(api.refusal("{n: '3'}").empty());
  CHECK(api.refusal("{n: '4'}").ends_with("failed expression: variables.odd"));
  CHECK(api.refusal("{n: 'x'}")
            .find("composited variable \"odd\" fails to evaluate: composited variable \"n\"") !=
        std::string::npos);
}

TEST_CASE("match conditions choose requests") {
  PolicyApi api;
  api.validating(R"({matchConditions: [{name: named, expression: has(object.data.check)}],
    validations: [{expression: 'false', message: no}]})");
  CHECK(api.refusal("{}").empty());
  CHECK(api.refusal("{check: '1'}").ends_with("denied request: no"));
}

TEST_CASE("request, namespaceObject, oldObject and authorizer are there") {
  PolicyApi api;
  api.validating(R"yaml({validations: [
    {expression: "request.operation != 'CREATE' || (oldObject == null && request.namespace == 'default')", message: create},
    {expression: "request.operation != 'UPDATE' || oldObject.data.n == object.data.n", message: immutable},
    {expression: "request.operation != 'DELETE' || oldObject.data.n != 'keep'", message: kept},
    {expression: "namespaceObject.metadata.name == 'default' && 'system:masters' in request.userInfo.groups", message: where},
    {expression: "authorizer.requestResource.check('get').allowed() && !authorizer.group('').resource('pods').check('list').allowed()", message: who}]})yaml");
  const auto made = api.create(
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: default}, data: {n: keep}}");
  auto changed = made.json();
  api::set(changed, "data.n", "other");
  const auto update = api.try_update(changed);
  REQUIRE(!update.ok());
  CHECK(update.error().message().ends_with("denied request: immutable"));
  const auto removed = api.try_remove(made);
  REQUIRE(!removed.ok());
  CHECK(removed.error().message().ends_with("denied request: kept"));
}

TEST_CASE("Warn warns and lets pass; a policy without binding does nothing") {
  PolicyApi api;
  api.validating("{validations: [{expression: 'false', message: hm}]}", "{validationActions: [Warn, Audit]}");
  CHECK(api.refusal("{}").empty());
  CHECK(api.warnings == std::vector<std::string>{
                            "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p-b': hm"});
  const api::Object binding(
      TestApi::yaml("{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, "
                    "metadata: {name: p-b}}"));
  REQUIRE(api.try_remove(binding).ok());
  CHECK(api.refusal("{}").empty());
  CHECK(api.warnings.empty());
}

TEST_CASE("selectors of policy and binding choose namespaces and objects") {
  PolicyApi api;
  api.create("{apiVersion: v1, kind: Namespace, metadata: {name: watched, labels: {watch: 'yes'}}}");
  api.validating("{validations: [{expression: 'false'}]}",
                 "{matchResources: {namespaceSelector: {matchLabels: {watch: 'yes'}}, objectSelector: "
                 "{matchLabels: {a: b}}}}");
  const auto make = [&](const char* ns, const char* labels) {
    return api
        .try_create(std::string("{apiVersion: v1, kind: ConfigMap, metadata: {generateName: x, namespace: ") +
                    ns + ", labels: " + labels + "}}")
        .ok();
  };
  CHECK(make("default", "{a: b}"));
  CHECK(make("watched", "{}"));
  CHECK(!make("watched", "{a: b}"));
}

TEST_CASE("params come by name or selector, and may be missing") {
  PolicyApi api;
  const char* const spec =
      "{paramKind: {apiVersion: v1, kind: ConfigMap}, matchConditions: [{name: new, expression: "
      "'!has(object.data.max)'}], "
      "validations: [{expression: 'object.data.n.size() <= int(params.data.max)'}]}";
  api.validating(spec, "{paramRef: {name: limits, namespace: default, parameterNotFoundAction: Deny}}");
  CHECK(api.refusal("{n: aa}").ends_with(
      "no params found for policy binding with `Deny` parameterNotFoundAction"));
  // Made before its policy is asked about it: max is set, and conditions come after params are found.
  api.policy("ValidatingAdmissionPolicy", "q", spec,
             "{paramRef: {selector: {matchLabels: {limit: 'yes'}}, parameterNotFoundAction: Allow}}");
  const api::Object binding(
      TestApi::yaml("{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, "
                    "metadata: {name: p-b}}"));
  const auto old = api.get(binding);
  REQUIRE(api.try_remove(binding).ok());
  CHECK(api.refusal("{n: aaaa}").empty());
  api.create(
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: limits, namespace: default, labels: {limit: "
      "'yes'}}, data: {max: '3'}}");
  CHECK(!api.refusal("{n: aaaa}").empty());
  CHECK(api.refusal("{n: aaa}").empty());
}

TEST_CASE("a changed policy is compiled anew") {
  PolicyApi api;
  api.validating("{validations: [{expression: 'object.data.n == \"1\"'}]}");
  CHECK(!api.refusal("{n: '2'}").empty());
  const api::Object policy(TestApi::yaml(
      "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {name: p}}"));
  api.patch(client::PatchType::kMerge, policy,
            "{spec: {validations: [{expression: 'object.data.n == \"2\"'}]}}");
  CHECK(api.refusal("{n: '2'}").empty());
}

TEST_CASE("an expression that runs too long is stopped") {
  PolicyApi api;
  api.validating(
      "{validations: [{expression: \"object.data.all(a, object.data.all(b, object.data.all(c, "
      "object.data.all(d, a + b + c + d != ''))))\"}]}");
  std::string data = "{";
  for (int i = 0; i < 60; ++i) data += "k" + std::to_string(i) + ": v, ";
  CHECK(api.refusal(data + "z: z}").find("operation cancelled: actual cost limit exceeded") !=
        std::string::npos);
}

TEST_CASE("expressions are checked when a policy is written") {
  PolicyApi api;
  const auto write = [&](const char* kind, std::string_view spec) {
    const auto made =
        api.try_create(PolicyApi::manifest(kind, "w", R"({matchConstraints: {resourceRules: [{apiGroups: [""],
      apiVersions: [v1], operations: ["*"], resources: [pods]}]}})",
                                           spec));
    return made.ok() ? std::string() : made.error().message();
  };
  CHECK(write("ValidatingAdmissionPolicy", "{validations: [{expression: 'object.x + foo'}]}") ==
        "ValidatingAdmissionPolicy.admissionregistration.k8s.io \"w\" is invalid: "
        "spec.validations[0].expression: "
        "Invalid value: \"object.x + foo\": compilation failed: ERROR: <input>:1:12: undeclared reference to "
        "'foo' (in "
        "container '')\n | object.x + foo\n | ...........^");
  CHECK(write("ValidatingAdmissionPolicy", "{validations: [{expression: '1'}]}")
            .find("must evaluate to bool") != std::string::npos);
  CHECK(write("ValidatingAdmissionPolicy", "{validations: [{expression: 'params.x'}]}")
            .find("undeclared reference to 'params'") != std::string::npos);
  CHECK(write("ValidatingAdmissionPolicy", "{}").find("validations or auditAnnotations must be non-empty") !=
        std::string::npos);
  CHECK(write("ValidatingAdmissionPolicy",
              "{variables: [{name: 1x, expression: 'true'}], validations: [{expression: 'true'}]}")
            .find("name is not a valid CEL identifier") != std::string::npos);
  CHECK(write("MutatingAdmissionPolicy",
              "{reinvocationPolicy: Never, mutations: [{patchType: ApplyConfiguration, applyConfiguration: "
              "{expression: "
              "'1'}}]}")
            .find("must evaluate to Object") != std::string::npos);
  CHECK(write("MutatingAdmissionPolicy", "{reinvocationPolicy: Never, mutations: [{patchType: JSONPatch}]}")
            .find("must be specified when patchType is JSONPatch") != std::string::npos);
  const auto binding = api.try_create(
      "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: "
      "{name: b}, "
      "spec: {policyName: p, validationActions: [Deny, Warn]}}");
  REQUIRE(!binding.ok());
  CHECK(binding.error().message().find("must not contain both Deny and Warn") != std::string::npos);
}

TEST_CASE("an apply configuration is merged, a JSON patch applied") {
  PolicyApi api;
  api.mutating(R"({reinvocationPolicy: Never, mutations: [
    {patchType: ApplyConfiguration, applyConfiguration: {expression: 'Object{metadata: Object.metadata{labels: {"from": request.userInfo.username}}}'}},
    {patchType: JSONPatch, jsonPatch: {expression: '[JSONPatch{op: "add", path: "/data/" + jsonpatch.escapeKey("a.b"), value: object.metadata.labels.from}]'}}]})");
  const Json made = api.mutated("{n: '1'}");
  CHECK(api::to_json(*api::find(made, "metadata.labels")) == R"({"from":"tester"})");
  CHECK(api::to_json(*api::find(made, "data")) == R"({"n":"1","a.b":"tester"})");
}

TEST_CASE("keyed lists are merged by key, atomic ones are left alone") {
  PolicyApi api;
  api.mutating(
      R"({reinvocationPolicy: Never, matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1],
    operations: [CREATE], resources: [pods]}]}, mutations: [{patchType: ApplyConfiguration, applyConfiguration: {expression:
    'Object{spec: Object.spec{containers: [Object.spec.containers{name: "b", image: "added"}]}}'}}]})");
  const Json pod = api.create(
                          "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default}, spec: "
                          "{containers: [{name: a, image: i}]}}")
                       .json();
  const auto& containers = api::list(pod, "spec.containers");
  REQUIRE(containers.size() == 2);
  CHECK(api::str(containers[1], "image") == "added");
  CHECK(api::str(containers[1], "terminationMessagePath") == "/dev/termination-log");
  api.policy(
      "MutatingAdmissionPolicy", "q",
      R"({reinvocationPolicy: Never, matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1],
    operations: [CREATE], resources: [pods]}]}, mutations: [{patchType: ApplyConfiguration, applyConfiguration: {expression:
    'Object{spec: Object.spec{nodeSelector: {"a": "b"}}}'}}]})");
  const auto refused = api.try_create(
      "{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: default}, spec: {containers: [{name: a, "
      "image: i}]}}");
  REQUIRE(!refused.ok());
  CHECK(refused.error().message().find("may not mutate atomic arrays, maps or structs: .spec.nodeSelector") !=
        std::string::npos);
}

TEST_CASE("policies run in order of their names, and again when asked to") {
  PolicyApi api;
  const auto count = [](const char* key, const char* reinvocation) {
    return std::string("{reinvocationPolicy: ") + reinvocation +
           ", mutations: [{patchType: JSONPatch, jsonPatch: {expression: '[JSONPatch{op: \"add\", path: "
           "\"/data/" +
           key + "\", value: string(object.data.size())}]'}}]}";
  };
  api.policy("MutatingAdmissionPolicy", "a", count("a", "IfNeeded"));
  api.policy("MutatingAdmissionPolicy", "b", count("b", "Never"));
  CHECK(api::to_json(*api::find(api.mutated("{n: '1'}"), "data")) == R"({"n":"1","a":"3","b":"2"})");
}

TEST_CASE("a mutation that cannot be made refuses, or is left out") {
  PolicyApi api;
  const char* const broken =
      "mutations: [{patchType: JSONPatch, jsonPatch: {expression: '[JSONPatch{op: \"remove\", path: "
      "\"/data/none\"}]'}}]}";
  api.policy("MutatingAdmissionPolicy", "a",
             std::string("{failurePolicy: Ignore, reinvocationPolicy: Never, ") + broken);
  CHECK(api.refusal("{n: '1'}").empty());
  api.policy("MutatingAdmissionPolicy", "b", std::string("{reinvocationPolicy: Never, ") + broken);
  CHECK(api.refusal("{n: '1'}")
            .starts_with("configmaps \"c\" is forbidden: MutatingAdmissionPolicy 'b' with binding 'b-b' "
                         "denied request: "));
}

TEST_CASE("whoever writes policies about params must be able to read them") {
  PolicyApi api;
  const auto policy = [&](const std::string& name, const std::string& kind) {
    return api.try_create(
        PolicyApi::manifest("ValidatingAdmissionPolicy", name,
                            "{paramKind: {apiVersion: v1, kind: " + kind +
                                "}, matchConstraints: {resourceRules: [{apiGroups: [\"\"], apiVersions: "
                                "[v1], operations: [CREATE], resources: [configmaps]}]}}",
                            "{validations: [{expression: 'true'}]}"));
  };
  const auto binding = [&](const std::string& name, const std::string& policy_name,
                           const std::string& param) {
    return api.try_create(PolicyApi::manifest(
        "ValidatingAdmissionPolicyBinding", name,
        "{policyName: " + policy_name + ", validationActions: [Deny]}",
        "{paramRef: {namespace: default, parameterNotFoundAction: Deny, name: " + param + "}}"));
  };
  const auto secret = policy("s", "Secret");
  REQUIRE_FALSE(secret.ok());
  CHECK(
      secret.error().message().find("must have \"get\" permission on all objects of the referenced paramKind "
                                    "(kind=Secret, apiVersion=v1)") != std::string::npos);
  CHECK(policy("c", "ConfigMap").ok());
  CHECK(binding("c", "c", "any").ok());
  const auto unknown = binding("u", "missing", "any");
  REQUIRE_FALSE(unknown.ok());
  CHECK(unknown.error().message().find("spec.paramRef: Forbidden: user ") != std::string::npos);
}
