#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "mk/quorum/replicated_store.h"
#include "mk/rt/group.h"

// For tests: the store as production has it, on one server, driven from straight-line code.
namespace mk::apiserver::testing {

inline std::unique_ptr<quorum::ReplicatedStore> open_store(rt::Loop& loop, const std::string& dir) {
  quorum::Options options;
  options.dir = dir;
  options.cluster = "test";
  auto store = quorum::open_single_store(loop, std::move(options)).value();
  auto ready = [&]() -> rt::Task<> {
    const auto leads = co_await store->linearize();
    REQUIRE(leads.ok());
  };
  rt::run_until_done(loop, ready());
  return store;
}

// In order: nothing is lost, and the next life skips no revision.
inline void close_store(rt::Loop& loop, std::unique_ptr<quorum::ReplicatedStore>& store) {
  auto stop = [&]() -> rt::Task<> { co_await store->stop(); };
  rt::run_until_done(loop, stop());
  store.reset();
}

}  // namespace mk::apiserver::testing
