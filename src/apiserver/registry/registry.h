#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "admission/admission.h"
#include "cacher/cacher.h"
#include "mk/api/schema.h"
#include "mk/client/client.h"
#include "mk/rt/clock.h"
#include "quota/ledger.h"
#include "registry/context.h"
#include "registry/strategy.h"

namespace mk::apiserver {

struct Written {
  api::Object object;
  bool created = false;
};

struct Deleted {
  api::Object object;  // its last state, or the state that waits for grace or finalizers
  bool gone = true;    // false: still there, waiting
};

// Reads and writes objects of every kind: the one place where decoding, defaults, strategies, admission,
// validation, field ownership and the store meet. Authorization has happened before. Each write takes the
// object's revision it was computed from along to the store, and is computed again when somebody was faster.
class Registry {
 public:
  Registry(Cacher& cacher, StrategySet& strategies, AdmissionChain& admission, rt::Clock& clock);

  Result<api::Object> get(const api::ResourceInfo& resource, const api::Key& key) const;

  // `object` as the client sent it, parsed.
  rt::Task<Result<Written>> create(WriteContext& context, api::Json object);
  rt::Task<Result<Written>> update(WriteContext& context, api::Json object);
  rt::Task<Result<Written>> patch(WriteContext& context, client::PatchType type, api::Json patch);
  rt::Task<Result<Deleted>> remove(WriteContext& context, client::DeleteOptions options);

  // Changes an object by a function of its current state, through the same checks (kind's own subresources:
  // binding, scale, finalize ...). `change` may run several times.
  using Change = std::function<Result<api::Json>(const api::Object& current)>;
  rt::Task<Result<Written>> modify(WriteContext& context, Change change);

  Cacher& cacher() { return cacher_; }
  rt::Clock& clock() { return clock_; }
  StrategySet& strategies() { return strategies_; }
  QuotaLedger& quotas() { return quotas_; }

 private:
  Result<api::FieldProblems> pruned(const WriteContext& context, const api::Type& type,
                                    api::Json& object) const;
  Result<void> decode(WriteContext& context, const api::Type& type, api::Json& object) const;
  Result<api::Json> decode_applied(WriteContext& context, api::Json applied) const;
  Result<void> check_identity(const WriteContext& context, api::Json& object) const;
  rt::Task<Result<Written>> store_new(WriteContext& context, api::Json object);
  Result<void> prepare_new(WriteContext& context, const api::Type& type, api::Json& object);
  Result<void> prepare_changed(WriteContext& context, const api::Type& type, const api::Object& current,
                               api::Json& object, bool track);
  Result<void> check_changed(WriteContext& context, const api::Object& current, const api::Json& object);
  bool unchanged(const WriteContext& context, const api::Json& object, const api::Object& current);
  rt::Task<Result<Written>> store_changed(WriteContext& context, api::Object current, api::Json object,
                                          bool track);
  rt::Task<Result<Written>> write_back(WriteContext& context, const api::Object& current,
                                       const api::Json& object);
  rt::Task<Result<Written>> apply(WriteContext& context, api::Json applied);
  Result<api::Json> patched(WriteContext& context, client::PatchType type, const api::Json& patch,
                            const api::Object& current) const;
  rt::Task<Result<Deleted>> remove_once(WriteContext& context, const api::Object& current,
                                        const client::DeleteOptions& options);

  Cacher& cacher_;
  StrategySet& strategies_;
  AdmissionChain& admission_;
  rt::Clock& clock_;
  QuotaLedger quotas_;
};

// An object of the request's version as it is stored.
SharedBytes stored_bytes(const WriteContext& context, const api::Json& object);

store::Revision revision_of(const api::Object& object);

}  // namespace mk::apiserver
