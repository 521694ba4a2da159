#pragma once

#include <catch2/catch.hpp>
#include <optional>

#include "admission/admission.h"
#include "mk/api/resource.h"
#include "mk/rt/clock.h"
#include "mk/rt/group.h"
#include "registry/lister.h"
#include "registry/registry.h"
#include "test_dir.h"
#include "test_store.h"

// For tests: the registry as production has it, over a real store in a temporary folder, driven from
// straight-line code.
namespace mk::apiserver::testing {

class TestApi {
 public:
  TestApi() {
    start();
    create("{apiVersion: v1, kind: Namespace, metadata: {name: default}}");
    create("{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: default}}");
  }
  ~TestApi() {
    state_.reset();
    store_.reset();
  }

  // Closes the store in order and starts anew from it.
  void restart() {
    state_.reset();
    close_store(loop_, store_);
    start();
  }

  static api::Json yaml(std::string_view text) { return api::parse_yaml(text).value(); }

  template <class T>
  T run(rt::Task<T> task) {
    std::optional<T> out;
    auto body = [&]() -> rt::Task<> { out.emplace(co_await std::move(task)); };
    rt::run_until_done(loop_, body());
    return std::move(*out);
  }

  // For the object that a manifest names.
  WriteContext context(const api::Json& object, std::string subresource = "") {
    WriteContext out;
    out.resource =
        api::find_builtin(api::parse_gvk(api::str(object, "apiVersion"), api::str(object, "kind")));
    MK_ASSERT(out.resource != nullptr);
    out.user.name = "tester";
    out.user.groups = {"system:masters"};
    if (out.resource->namespaced) out.ns = api::str(object, "metadata.namespace", "default");
    out.name = api::str(object, "metadata.name");
    out.subresource = std::move(subresource);
    out.field_manager = manager;
    out.validation = validation;
    out.dry_run = dry_run;
    out.now = rt::format_time(clock.now());
    return out;
  }

  Result<Written> try_create(std::string_view manifest) {
    api::Json object = yaml(manifest);
    auto call = context(object);
    call.name.clear();
    auto written = run(registry().create(call, std::move(object)));
    warnings = std::move(call.warnings);
    return written;
  }
  Result<Written> try_update(api::Json object, std::string subresource = "") {
    auto call = context(object, std::move(subresource));
    auto written = run(registry().update(call, std::move(object)));
    warnings = std::move(call.warnings);
    return written;
  }
  Result<Written> try_patch(client::PatchType type, const api::Object& target, std::string_view patch,
                            std::string subresource = "", bool force = false) {
    auto call = context(target.json(), std::move(subresource));
    call.force = force;
    auto written = run(registry().patch(call, type, yaml(patch)));
    warnings = std::move(call.warnings);
    return written;
  }
  Result<Written> try_apply(std::string_view manifest, bool force = false) {
    return try_patch(client::PatchType::kApply, api::Object(yaml(manifest)), manifest, "", force);
  }
  Result<Deleted> try_remove(const api::Object& object, client::DeleteOptions options = {}) {
    auto call = context(object.json());
    return run(registry().remove(call, std::move(options)));
  }

  api::Object create(std::string_view manifest) { return good(try_create(manifest)); }
  api::Object update(api::Json object, std::string subresource = "") {
    return good(try_update(std::move(object), std::move(subresource)));
  }
  api::Object patch(client::PatchType type, const api::Object& target, std::string_view patch,
                    std::string sub = "") {
    return good(try_patch(type, target, patch, std::move(sub)));
  }
  static api::Object good(Result<Written> written) {
    if (!written.ok()) FAIL(written.error().message());
    return std::move(written->object);
  }

  api::Object get(const api::Object& like) {
    auto call = context(like.json());
    return cacher().get(call.resource->gvr, api::Key(call.ns, call.name));
  }
  Result<ListResult> list(const api::Gvr& gvr, client::ListOptions options = {}, std::string ns = "default") {
    return run(list_objects(cacher(), *api::find_builtin(gvr), std::move(ns), std::move(options)));
  }

  Cacher& cacher() { return state_->cacher; }
  Registry& registry() { return state_->registry; }
  AdmissionChain& admission() { return state_->admission; }
  store::Store& store() { return *store_; }

  rt::ManualClock clock;
  std::string manager = "test";
  FieldValidation validation = FieldValidation::kStrict;
  bool dry_run = false;
  std::vector<std::string> warnings;  // of the last write

 private:
  // Everything that a restart builds anew.
  struct State {
    State(store::Store& store, rt::Clock& clock)
        : cacher(store),
          strategies(StrategySet::Environment{cacher}),
          admission(cacher),
          registry(cacher, strategies, admission, clock) {}
    Cacher cacher;
    StrategySet strategies;
    AdmissionChain admission;
    Registry registry;
  };

  void start() {
    store_ = open_store(loop_, dir_.path() + "/db");
    state_ = std::make_unique<State>(*store_, clock);
    REQUIRE(run(state_->cacher.load()).ok());
  }

  rt::Loop loop_;
  TestDir dir_;
  std::unique_ptr<quorum::ReplicatedStore> store_;
  std::unique_ptr<State> state_;
};

}  // namespace mk::apiserver::testing
