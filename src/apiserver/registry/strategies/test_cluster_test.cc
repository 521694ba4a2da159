#include "registry/strategies/test_cluster.h"

namespace mk::apiserver::testing {

using api::Json;

TestCluster::TestCluster() : strategies_(StrategySet::Environment{cacher_}), admission_(cacher_) {}

Json TestCluster::parse(std::string_view yaml) {
  auto json = api::parse_yaml(yaml);
  if (!json.ok()) FAIL(json.error().message());
  return std::move(*json);
}

const api::ResourceInfo& TestCluster::resource(const Json& object) {
  const auto* found =
      api::find_builtin(api::parse_gvk(api::str(object, "apiVersion"), api::str(object, "kind")));
  if (found == nullptr) FAIL("no such kind: " << api::to_json(object));
  return *found;
}

void TestCluster::put(const Json& object) {
  const auto& info = resource(object);
  store_.change(Cacher::store_key(info.gvr, api::Object(object).key()), encode_stored(object), false);
}

void TestCluster::remove(const Json& object) {
  const auto& info = resource(object);
  store_.change(Cacher::store_key(info.gvr, api::Object(object).key()), encode_stored(object), true);
}

WriteContext TestCluster::context(const Json& object, std::string operation, std::string subresource) {
  WriteContext out;
  out.resource = &resource(object);
  out.user = user;
  out.ns = api::str(object, "metadata.namespace");
  out.name = api::str(object, "metadata.name");
  out.operation = std::move(operation);
  out.subresource = std::move(subresource);
  out.now = "2026-01-01T00:00:00Z";
  return out;
}

namespace {

void decode(const api::ResourceInfo& info, Json& object) {
  api::FieldProblems unknown;
  const auto* type = api::builtin_schema().type(info.gvk());
  REQUIRE(type != nullptr);
  auto decoded = api::decode(*type, object, unknown);
  if (!decoded.ok()) FAIL(decoded.error().message());
  CHECK(unknown == api::FieldProblems());
}

}  // namespace

Result<Json> TestCluster::create(Json object, bool with_admission) {
  const auto& info = resource(object);
  if (info.namespaced && api::str(object, "metadata.namespace").empty())
    api::set(object, "metadata.namespace", "default");
  decode(info, object);
  auto request = context(object, "CREATE", "");
  Strategy& kind = strategies_.of(info);
  api::set(object, "metadata.uid", api::text("uid-" + std::to_string(++uids_)));
  kind.prepare_for_create(request, object);
  api::apply_defaults(*api::builtin_schema().type(info.gvk()), object);
  kind.set_defaults(object);
  if (with_admission) MK_TRY(admission_.mutate(request, &object, nullptr));
  kind.set_defaults(object);
  MK_TRY(kind.allocate(request, object, nullptr));
  std::vector<Cause> causes;
  kind.validate(request, object, causes);
  if (!causes.empty()) {
    kind.release(object);
    return api::invalid_object(info.gvk(), request.name, std::move(causes));
  }
  kind.warn(object, warnings);
  if (with_admission) MK_TRY(admission_.validate(request, &object, nullptr));
  return object;
}

Result<Json> TestCluster::update(Json object, const Json& old, std::string subresource) {
  const auto& info = resource(object);
  decode(info, object);
  auto request = context(object, "UPDATE", std::move(subresource));
  Strategy& kind = strategies_.of(info);
  kind.prepare_for_update(request, object, old);
  api::apply_defaults(*api::builtin_schema().type(info.gvk()), object);
  kind.set_defaults(object);
  MK_TRY(admission_.mutate(request, &object, &old));
  MK_TRY(kind.allocate(request, object, &old));
  std::vector<Cause> causes;
  if (request.subresource == "status") {
    kind.validate_status_update(object, old, causes);
  } else {
    kind.validate(request, object, causes);
    kind.validate_update(request, object, old, causes);
  }
  if (!causes.empty()) return api::invalid_object(info.gvk(), request.name, std::move(causes));
  MK_TRY(admission_.validate(request, &object, &old));
  return object;
}

Result<void> TestCluster::remove_admitted(const Json& object) {
  auto request = context(object, "DELETE", "");
  MK_TRY(admission_.mutate(request, nullptr, &object));
  return admission_.validate(request, nullptr, &object);
}

Json TestCluster::patched(const Json& manifest, std::string_view patch) {
  auto json = api::apply_merge_patch(manifest, parse(patch));
  if (!json.ok()) FAIL(json.error().message());
  return std::move(*json);
}

Texts TestCluster::problems(const Result<Json>& result) {
  if (result.ok()) return {};
  Texts texts;
  for (const auto& cause : result.error().causes) texts.push_back(cause.field + ": " + cause.message);
  if (texts.empty()) texts.push_back(result.error().message());
  return texts;
}

}  // namespace mk::apiserver::testing
