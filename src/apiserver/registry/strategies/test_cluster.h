#pragma once

#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <vector>

#include "admission/admission.h"
#include "cacher/cached_object.h"
#include "mk/api/patch.h"
#include "mk/api/schema.h"
#include "registry/strategy.h"

// For tests: manifests go through decoding, defaults, admission, allocation and validation, in the registry's
// order, without a registry, a disk or a loop.
namespace mk::apiserver::testing {

// Only feeds the cacher.
class FakeStore : public store::Store {
 public:
  void set_feed(Feed feed) override { feed_ = std::move(feed); }
  rt::Task<Result<store::Revision>> commit(std::vector<store::Operation>, store::Durability) override {
    co_return Error(Reason::kInternalError, "a fake");
  }
  rt::Task<Result<store::Range>> range(std::string, std::string, std::size_t, store::Revision) override {
    co_return Error(Reason::kInternalError, "a fake");
  }
  rt::Task<Result<std::vector<store::Change>>> history(store::Revision, std::size_t) override {
    co_return Error(Reason::kInternalError, "a fake");
  }
  rt::Task<Result<void>> linearize() override { co_return ok(); }
  bool current() const override { return true; }
  rt::Task<Result<void>> compact(store::Revision) override { co_return ok(); }
  store::Revision revision() const override { return revision_; }
  store::Revision compacted() const override { return 0; }
  std::uint64_t sync_count() const override { return 0; }

  void change(std::string key, SharedBytes value, bool removed) {
    store::Change change;
    change.revision = ++revision_;
    change.key = std::move(key);
    change.create_revision = revision_;
    change.removed = removed;
    change.value = std::move(value);
    feed_({change});
  }

 private:
  Feed feed_;
  store::Revision revision_ = 0;
};

class TestCluster {
 public:
  TestCluster();

  // Writes an object to the store as it is.
  void put(const api::Json& object);
  void put(const char* yaml) { put(parse(yaml)); }
  void remove(const api::Json& object);

  static api::Json parse(std::string_view yaml);
  // A create or update; the object as it would be stored. What is invalid is an error with causes.
  Result<api::Json> create(api::Json object, bool with_admission = false);
  Result<api::Json> update(api::Json object, const api::Json& old, std::string subresource = "");
  Result<void> remove_admitted(const api::Json& object);

  // `manifest` with a JSON merge patch (in YAML) on it.
  static api::Json patched(const api::Json& manifest, std::string_view patch);
  // "field: message" of each cause.
  static std::vector<std::string> problems(const Result<api::Json>& result);

  Strategy& strategy(const api::Json& object) { return strategies_.of(resource(object)); }
  UserInfo user;
  std::vector<std::string> warnings;

 private:
  static const api::ResourceInfo& resource(const api::Json& object);
  WriteContext context(const api::Json& object, std::string operation, std::string subresource);

  FakeStore store_;
  Cacher cacher_{store_};
  StrategySet strategies_;
  AdmissionChain admission_;
  int uids_ = 0;
};

using Texts = std::vector<std::string>;

}  // namespace mk::apiserver::testing
