#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cacher/cacher.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "quota/usage.h"
#include "registry/context.h"

namespace mk::apiserver {

// A change of one object on its way to the store. `before` is null for a creation, `after` for a removal.
struct ObjectChange {
  ObjectChange(store::Operation operation_, std::vector<store::Operation> companions_,
               const api::Json* before_, const api::Json* after_, store::Durability durability_)
      : operation(std::move(operation_)),
        companions(std::move(companions_)),
        before(before_),
        after(after_),
        durability(durability_) {}
  store::Operation operation;
  std::vector<store::Operation> companions;  // on other objects, in the same transaction
  const api::Json* before;
  const api::Json* after;
  store::Durability durability;
};

// Keeps the count of every ResourceQuota by changing it in the transaction of the object it counts: a count
// is never behind, and a crash leaves nothing to repair. The changes of a namespace that arrive together form
// one transaction with one write of each quota. A quota that is new, or whose status somebody else wrote, is
// counted anew from the cache first. Namespaces without quotas, and changes that no quota counts, go straight
// to the store.
class QuotaLedger {
 public:
  explicit QuotaLedger(Cacher& cacher);
  ~QuotaLedger();

  // The revision of the object's change. kForbidden: a quota would be exceeded. Else the store's errors; the
  // conflict is the object's.
  rt::Task<Result<store::Revision>> commit(const WriteContext& context, ObjectChange change);
  // What commit() would refuse, as far as known now; for trials.
  Result<void> check(const WriteContext& context, const api::Json* before, const api::Json* after) const;

  // Counts what a former life left uncounted.
  void start(rt::Executor executor);
  rt::Task<> stop();

 private:
  struct Quota;
  struct Member;
  struct Room;
  using Batch = std::vector<std::shared_ptr<Member>>;
  using Counts = std::map<std::string, ResourceList>;  // by quota: what will be in use

  static std::string unsaid(const Quota& quota, const api::Gvr& resource, const api::Json& object);
  void observe(const CacheEvent& event);
  Room* room_of(const std::string& ns);
  bool counts(const Room& room, const api::Gvr& resource, const api::Key& key, const api::Json* before,
              const api::Json* after) const;
  void wake(const std::string& ns, Room& room);
  rt::Task<> work(std::string ns);
  rt::Task<bool> take_turn(std::string ns);  // false: the store does not answer
  rt::Task<Result<void>> settle_earlier_writes();
  rt::Task<ResourceList> recount(std::string ns, ResourceList hard, std::vector<QuotaScope> scopes);
  Batch next_batch(Room& room);
  Counts counts_of(const Room& room) const;
  std::string decide(const Room& room, const Member& member, Counts& counts) const;
  rt::Task<bool> commit_batch(std::string ns, Batch batch, std::set<std::string> touched, Counts counts);
  void retry_or_refuse(Room& room, Batch batch, const Error& error);

  Cacher& cacher_;
  std::map<std::string, std::unique_ptr<Room>> rooms_;  // by namespace; only where there are quotas or work
  std::unique_ptr<rt::Group> group_;                    // made with the first executor seen
};

}  // namespace mk::apiserver
