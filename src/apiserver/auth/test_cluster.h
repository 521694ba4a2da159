#pragma once

#include <stdlib.h>

#include "cacher/cached_object.h"
#include "cacher/cacher.h"
#include "mk/api/resource.h"
#include "mk/base/files.h"
#include "mk/rt/clock.h"
#include "mk/rt/group.h"
#include "test_store.h"

namespace mk::apiserver::testing {

inline api::Json yaml(std::string_view text) {
  return api::parse_yaml(text).value();
}

// A cacher over a store in a temporary folder, driven from straight-line tests.
class PolicyCluster {
 public:
  PolicyCluster() : store_(open()), cacher(*store_) { MK_ASSERT(run(cacher.load()).ok()); }
  ~PolicyCluster() {
    store_.reset();
    (void)remove_tree(dir_);
  }

  void put(const api::Json& object) {
    const auto [key, exists] = key_of(object);
    commit(
        store::Operation(store::Operation::Kind::kPut, key, encode_stored(object), store::Operation::kAny));
  }
  void put(const std::string& text) { put(yaml(text)); }
  void put(const char* text) { put(yaml(text)); }
  void remove(const api::Json& object) {
    commit(store::Operation(store::Operation::Kind::kRemove, key_of(object).first, SharedBytes(),
                            store::Operation::kAny));
  }

 private:
  std::unique_ptr<quorum::ReplicatedStore> open() {
    char pattern[] = "/tmp/mk-auth-XXXXXX";
    dir_ = ::mkdtemp(pattern);
    return open_store(loop_, dir_ + "/db");
  }

  static std::pair<std::string, bool> key_of(const api::Json& object) {
    const auto* resource =
        api::find_builtin(api::parse_gvk(api::str(object, "apiVersion"), api::str(object, "kind")));
    MK_ASSERT(resource != nullptr);
    const api::Key key{std::string(api::str(object, "metadata.namespace")),
                       std::string(api::str(object, "metadata.name"))};
    return {Cacher::store_key(resource->gvr, key), true};
  }

  void commit(store::Operation operation) {
    std::vector<store::Operation> operations;
    operations.push_back(std::move(operation));
    MK_ASSERT(run(store_->commit(std::move(operations), store::Durability::kLazy)).ok());
  }

  template <class T>
  T run(rt::Task<T> task) {
    std::optional<T> out;
    auto body = [&]() -> rt::Task<> { out.emplace(co_await std::move(task)); };
    rt::run_until_done(loop_, body());
    return std::move(*out);
  }

  rt::Loop loop_;
  std::string dir_;
  std::unique_ptr<quorum::ReplicatedStore> store_;

 public:
  Cacher cacher;
  rt::ManualClock clock;
};

inline UserInfo user(std::string name, std::vector<std::string> groups = {}) {
  UserInfo out;
  out.name = std::move(name);
  out.groups = std::move(groups);
  return out;
}

inline UserInfo node(const std::string& name) {
  return user("system:node:" + name, {"system:nodes", "system:authenticated"});
}

// "get pods", "create apps/deployments/scale", "get /metrics"
inline Attributes ask(UserInfo who, const std::string& verb, const std::string& what, std::string ns = "",
                      std::string name = "", std::string fields = "") {
  Attributes out;
  out.user = std::move(who);
  out.verb = verb;
  if (what.starts_with("/")) {
    out.resource_request = false;
    out.path = what;
    return out;
  }
  const auto colon = what.find(':');
  if (colon != std::string::npos) out.group = what.substr(0, colon);
  const std::string rest = colon == std::string::npos ? what : what.substr(colon + 1);
  const auto slash = rest.find('/');
  out.resource = rest.substr(0, slash);
  if (slash != std::string::npos) out.subresource = rest.substr(slash + 1);
  out.version = "v1";
  out.ns = std::move(ns);
  out.name = std::move(name);
  out.field_selector = std::move(fields);
  return out;
}

}  // namespace mk::apiserver::testing
