#include "mk/rt/clock.h"
#include "registry/test_api.h"

using namespace mk;
using namespace mk::apiserver;
using namespace mk::apiserver::testing;
using api::Json;
using api::Object;
using client::PatchType;

namespace {

const char* const kDeployment = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: nginx}]}
)";

std::string config_map(const std::string& name, const std::string& rest = "") {
  return "{apiVersion: v1, kind: ConfigMap, metadata: {name: " + name + "}" + rest + "}";
}

template <class T>
void check_error(const Result<T>& result, Reason reason, std::string_view text) {
  REQUIRE(!result.ok());
  CHECK(result.error().message() == text);
  CHECK(result.error().reason() == reason);
}

}  // namespace

TEST_CASE("create fills in what the server keeps and drops what clients may not set") {
  TestApi api;
  const Object made = api.create(R"(
apiVersion: v1
kind: ConfigMap
metadata: {name: a, uid: mine, generation: 7, creationTimestamp: '2001-01-01T00:00:00Z', selfLink: /x,
           deletionTimestamp: '2001-01-01T00:00:00Z', deletionGracePeriodSeconds: 5}
data: {k: v}
)");
  CHECK(made.uid().size() == 36);
  CHECK(made.ns() == "default");
  CHECK(made.resource_version() == std::to_string(api.store().revision()));
  CHECK(api::str(made.json(), "metadata.creationTimestamp") == rt::format_time(api.clock.now()));
  for (const char* field : {"generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"})
    CHECK(api::find(made.json(), std::string("metadata.") + field) == nullptr);
  // The answer is the cache's own object: one copy of the bytes.
  CHECK(made.bytes().view().data() == api.get(made).bytes().view().data());

  const Object workload = api.create(std::string(kDeployment) + "status: {replicas: 9}\n");
  CHECK(workload.generation() == 1);
  CHECK(api::find(workload.json(), "status.replicas") == nullptr);
}

TEST_CASE("create: names that clash, names made by the server, and bad requests") {
  TestApi api;
  api.create(config_map("a"));
  const auto again = api.try_create(config_map("a"));
  check_error(again, Reason::kAlreadyExists, "configmaps \"a\" already exists");
  CHECK(again.error().kind == "configmaps");
  CHECK(again.error().name == "a");

  const Object generated = api.create("{apiVersion: v1, kind: ConfigMap, metadata: {generateName: made-}}");
  CHECK(generated.name().starts_with("made-"));
  CHECK(generated.name().size() == 10);
  const std::string long_prefix(80, 'x');
  CHECK(api.create("{apiVersion: v1, kind: ConfigMap, metadata: {generateName: " + long_prefix + "}}")
            .name()
            .size() == 63);

  check_error(api.try_create("{apiVersion: v1, kind: ConfigMap, metadata: {name: b, resourceVersion: '1'}}"),
              Reason::kBadRequest, "resourceVersion should not be set on objects to be created");
  check_error(api.try_create("{apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: gone}}"),
              Reason::kNotFound, "namespaces \"gone\" not found");
  CHECK(api.try_create("{apiVersion: v1, kind: ConfigMap, metadata: {}}").error().is(Reason::kInvalid));

  Json other = TestApi::yaml(config_map("c"));
  auto call = api.context(other);
  call.name.clear();
  api::set(other, "metadata.namespace", "kube-system");
  check_error(api.run(api.registry().create(call, other)), Reason::kBadRequest,
              "the namespace of the provided object does not match the namespace sent on the request");
  api::set(other, "kind", "Secret");
  check_error(api.run(api.registry().create(call, other)), Reason::kBadRequest,
              "the kind in the data (Secret) does not match the expected kind (ConfigMap)");
}

TEST_CASE("create: two writers of one name, one wins") {
  TestApi api;
  const Json object = TestApi::yaml(config_map("race"));
  auto first = api.context(object), second = api.context(object);
  first.name.clear();
  second.name.clear();
  std::optional<Result<Written>> one, two;
  auto both = [&]() -> rt::Task<Result<void>> {
    rt::Group group(co_await rt::this_executor());
    auto write = [&](WriteContext& context, std::optional<Result<Written>>& out) -> rt::Task<> {
      Json copy = object;
      out.emplace(co_await api.registry().create(context, std::move(copy)));
    };
    group.spawn("one", write(first, one));
    group.spawn("two", write(second, two));
    while (group.size() > 0) co_await rt::yield();
    co_return ok();
  };
  REQUIRE(api.run(both()).ok());
  CHECK(one->ok() != two->ok());
  CHECK((one->ok() ? *two : *one).error().is(Reason::kAlreadyExists));
}

TEST_CASE("dry runs answer and write nothing") {
  TestApi api;
  const Object kept = api.create(config_map("kept"));
  const auto revision = api.store().revision();
  api.dry_run = true;
  CHECK(api.create(config_map("a")).uid().size() == 36);
  CHECK(api.try_create(config_map("kept")).error().is(Reason::kAlreadyExists));
  CHECK(api::str(api.patch(PatchType::kMerge, kept, "{data: {a: b}}").json(), "data.a") == "b");
  CHECK(api.try_apply(config_map("applied")).ok());
  auto call = api.context(kept.json());
  CHECK(api.run(api.registry().remove(call, {})).ok());
  CHECK(api.store().revision() == revision);
  CHECK(api.get(kept).resource_version() == kept.resource_version());
}

TEST_CASE("field validation: Strict refuses, Warn warns, Ignore drops") {
  TestApi api;
  const std::string bad = "{apiVersion: v1, kind: ConfigMap, metadata: {name: x, label: 1}, dat: {}}";
  const auto refused = api.try_create(bad);
  REQUIRE(!refused.ok());
  CHECK(refused.error().message().starts_with(
      "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field"));
  CHECK(refused.error().is(Reason::kBadRequest));
  api.validation = FieldValidation::kWarn;
  const Object warned = api.create(bad);
  CHECK(api.warnings.size() == 2);
  CHECK(api::member(warned.json(), "dat") == nullptr);
  api.validation = FieldValidation::kIgnore;
  CHECK(api.try_patch(PatchType::kMerge, warned, "{nonsense: 1}").ok());
  CHECK(api.warnings.empty());
  api.validation = FieldValidation::kStrict;
  CHECK(api.try_patch(PatchType::kMerge, warned, "{nonsense: 1}")
            .error()
            .message()
            .find("unknown field \"nonsense\"") != std::string::npos);
  CHECK(api.try_create("{apiVersion: v1, kind: ConfigMap, metadata: {name: y}, data: [1]}")
            .error()
            .is(Reason::kBadRequest));
}

TEST_CASE("update: revisions, identity and writes that change nothing") {
  TestApi api;
  const Object first = api.create(config_map("a", ", data: {k: '1'}"));
  Json changed = first.json();
  api::set(changed, "data.k", "2");
  const Object second = api.update(changed);
  CHECK(second.resource_version() > first.resource_version());
  CHECK(second.uid() == first.uid());

  const auto stale = api.try_update(changed);
  check_error(
      stale, Reason::kConflict,
      "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your "
      "changes to the latest version and try again");
  // Nothing new, no revision; without a revision, the write is unconditional.
  CHECK(api.update(second.json()).resource_version() == second.resource_version());
  Json free = second.json();
  api::erase(free, "metadata.resourceVersion");
  CHECK(api.update(free).resource_version() == second.resource_version());
  api::set(free, "data.k", "3");
  CHECK(api::str(api.update(free).json(), "data.k") == "3");

  Json other = free;
  api::set(other, "metadata.uid", "00000000-0000-0000-0000-000000000000");
  CHECK(api.try_update(other).error().message().find("Precondition failed: UID in precondition") !=
        std::string::npos);
  other = free;
  api::set(other, "metadata.name", "absent");
  check_error(api.try_update(other), Reason::kNotFound, "configmaps \"absent\" not found");
  auto call = api.context(first.json());
  check_error(api.run(api.registry().update(call, other)), Reason::kBadRequest,
              "the name of the object (absent) does not match the name on the URL (a)");
}

TEST_CASE("update: creationTimestamp and deletion marks stay whatever the client sends") {
  TestApi api;
  const Object made = api.create(config_map("a"));
  Json changed = made.json();
  api::set(changed, "metadata.creationTimestamp", "2001-01-01T00:00:00Z");
  api::set(changed, "metadata.deletionTimestamp", "2001-01-01T00:00:00Z");
  api::set(changed, "data", api::JsonObject{{"k", "v"}});
  const Object after = api.update(changed);
  CHECK(api::str(after.json(), "metadata.creationTimestamp") ==
        api::str(made.json(), "metadata.creationTimestamp"));
  CHECK(!after.deleting());
}

TEST_CASE("generation counts changes of the specification only; status and the rest keep apart") {
  TestApi api;
  const Object made = api.create(kDeployment);
  CHECK(api.patch(PatchType::kMerge, made, "{metadata: {labels: {a: b}}}").generation() == 1);
  CHECK(api.patch(PatchType::kMerge, made, "{spec: {replicas: 3}}").generation() == 2);
  CHECK(api.patch(PatchType::kMerge, made, "{spec: {replicas: 3}}").generation() == 2);
  // The main resource does not write status ...
  const Object main = api.patch(PatchType::kMerge, made, "{status: {replicas: 5}, spec: {replicas: 4}}");
  CHECK(api::find(main.json(), "status.replicas") == nullptr);
  CHECK(main.generation() == 3);
  // ... and status writes nothing but status and metadata.
  const Object status =
      api.patch(PatchType::kMerge, made,
                "{metadata: {annotations: {patchedstatus: 'true'}, ownerReferences: [{apiVersion: "
                "v1, kind: Pod, name: x, uid: y}]}, status: {replicas: 5}, spec: {replicas: 9}}",
                "status");
  CHECK(api::num(status.json(), "status.replicas") == 5);
  CHECK(api::num(status.json(), "spec.replicas") == 4);
  CHECK(status.annotation("patchedstatus") == "true");
  CHECK(api::list(status.json(), "metadata.ownerReferences").empty());
  CHECK(status.generation() == 3);
}

TEST_CASE("an update of some kinds must name the revision it was computed from") {
  TestApi api;
  Json lease = TestApi::yaml(
      "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: l, namespace: default}, spec: {}}");
  const auto made = api.try_update(lease);
  REQUIRE(made.ok());
  api::set(lease, "spec.leaseDurationSeconds", 5);
  const auto refused = api.try_update(lease);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().is(Reason::kInvalid));
  CHECK(refused.error().message() ==
        "leases.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be "
        "specified for an update");
  api::set(lease, "metadata.resourceVersion", api::text(made->object.resource_version()));
  CHECK(api.try_update(lease).ok());
  const Json map = TestApi::yaml(config_map("any"));
  api.create(config_map("any"));
  CHECK(api.try_update(map).ok());
}

TEST_CASE("an update makes what is missing only for kinds that say so, and only with the right to create") {
  TestApi api;
  const Json lease = TestApi::yaml(
      "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: l, namespace: default}, spec: {}}");
  auto call = api.context(lease);
  call.may_create = []() -> Result<void> { return Error(Reason::kForbidden, "no"); };
  check_error(api.run(api.registry().update(call, lease)), Reason::kForbidden, "no");
  const auto written = api.try_update(lease);
  REQUIRE(written.ok());
  CHECK(written->created);
  const auto applied_manifest = TestApi::yaml(config_map("new"));
  auto apply = api.context(applied_manifest);
  apply.may_create = call.may_create;
  check_error(api.run(api.registry().patch(apply, PatchType::kApply, applied_manifest)), Reason::kForbidden,
              "no");
}

TEST_CASE("a Service and its IPAddress come and go together") {
  TestApi api;
  const auto address_of = [&api](const Object& service) {
    return api.cacher().get(api::Gvr{"networking.k8s.io", "v1", "ipaddresses"},
                            api::Key("", std::string(api::str(service.json(), "spec.clusterIP"))));
  };
  const auto service = api.create(
      "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: default}, spec: {ports: [{port: "
      "80}]}}");
  const auto address = address_of(service);
  REQUIRE(address);
  CHECK(api::str(address.json(), "spec.parentRef.resource") == "services");
  CHECK(api::str(address.json(), "spec.parentRef.name") == "s");
  CHECK(address.label("ipaddress.kubernetes.io/managed-by") == "ipallocator.k8s.io");
  // The object's own revision, not that of what was written with it.
  CHECK(service.resource_version() == api.get(service).resource_version());
  // An address that somebody reserved is not given away.
  api.create(
      "{apiVersion: networking.k8s.io/v1, kind: IPAddress, metadata: {name: 10.43.0.77}, spec: {parentRef: "
      "{group: '', resource: things, name: mine}}}");
  CHECK_FALSE(api.try_create("{apiVersion: v1, kind: Service, metadata: {name: t, namespace: default}, spec: "
                             "{clusterIP: 10.43.0.77, ports: [{port: 80}]}}")
                  .ok());
  REQUIRE(api.try_remove(service).ok());
  CHECK_FALSE(address_of(service));
}

TEST_CASE("Services take addresses of further ranges once these are ready") {
  TestApi api;
  const std::string service =
      "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: default}, spec: {clusterIP: 10.99.0.7, "
      "ports: [{port: 80}]}}";
  CHECK_FALSE(api.try_create(service).ok());
  const auto range = api.create(
      "{apiVersion: networking.k8s.io/v1, kind: ServiceCIDR, metadata: {name: more}, spec: {cidrs: "
      "[10.99.0.0/24]}}");
  CHECK_FALSE(api.try_create(service).ok());
  api.patch(PatchType::kMerge, range,
            "{status: {conditions: [{type: Ready, status: 'True', reason: '', message: '', "
            "lastTransitionTime: '2026-01-01T00:00:00Z'}]}}",
            "status");
  CHECK(api.try_create(service).ok());
}

TEST_CASE("a JSON patch may add to a status that is not there yet") {
  TestApi api;
  const auto claim = api.create(
      "{apiVersion: resource.k8s.io/v1, kind: ResourceClaim, metadata: {name: c, namespace: default}, spec: "
      "{devices: {requests: [{name: r, exactly: {deviceClassName: d}}]}}}");
  const auto patched =
      api.patch(PatchType::kJson, claim, "[{op: add, path: /status/allocation, value: {}}]", "status");
  CHECK(api::find(patched.json(), "status.allocation") != nullptr);
  CHECK(api.try_patch(PatchType::kJson, api.create(config_map("m")), "[{op: add, path: /data/a, value: b}]")
            .ok() == false);
}
