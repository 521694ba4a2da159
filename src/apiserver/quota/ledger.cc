#include "quota/ledger.h"

#include <algorithm>
#include <set>

#include "admission/plugins.h"
#include "cacher/cached_object.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"
#include "registry/registry.h"

namespace mk::apiserver {

using api::Json;
using api::Object;
using api::Quantity;

namespace {

constexpr Log kLog("apiserver");
const api::Gvr kQuotas{"", "v1", "resourcequotas"};
// How many changes one transaction carries, and how often one is tried when others write in between.
constexpr std::size_t kBatchMax = 256;
constexpr int kAttemptsMax = 10;
constexpr std::size_t kObjectsPerTurn = 200;  // between two yields

const Quantity& amount(const ResourceList& list, const std::string& name) {
  static const Quantity kNone;
  const auto found = list.find(name);
  return found == list.end() ? kNone : found->second;
}

std::string text_of_amounts(const std::vector<std::string>& names, const ResourceList& list) {
  std::vector<std::string> parts;
  for (const auto& name : names) parts.push_back(name + "=" + amount(list, name).str());
  return join(parts, ",");
}

// Of what an object counts for, what this quota limits; nothing if it is out of its scopes.
ResourceList counted(const ResourceList& hard, const std::vector<QuotaScope>& scopes,
                     const api::Gvr& resource, const Json* object) {
  ResourceList out;
  if (object == nullptr || !in_quota_scopes(scopes, resource, *object)) return out;
  for (auto& [name, used] : quota_usage(resource, *object)) {
    if (hard.contains(name)) out.emplace(name, used);
  }
  return out;
}

// Of a change in use: only what differs.
ResourceList difference(const ResourceList& after, const ResourceList& before) {
  ResourceList out;
  for (const auto& [name, used] : after) {
    if (auto more = used - amount(before, name); more != Quantity()) out.emplace(name, more);
  }
  for (const auto& [name, used] : before) {
    if (!after.contains(name) && used != Quantity()) out.emplace(name, Quantity() - used);
  }
  return out;
}

// The status says what the spec limits, and counts it.
bool status_fits(const Json& quota) {
  const auto& hard = api::object(quota, "spec.hard");
  if (api::object(quota, "status.hard") != hard) return false;
  const auto& used = api::object(quota, "status.used");
  return used.size() == hard.size() && std::all_of(hard.begin(), hard.end(), [&used](const auto& entry) {
           return used.contains(entry.key());
         });
}

Json status_of(const Json& quota, const ResourceList& used) {
  api::JsonObject numbers, status;
  for (const auto& entry : api::object(quota, "spec.hard"))
    numbers[entry.key()] = api::text(amount(used, std::string(entry.key())).str());
  status["hard"] = api::object(quota, "spec.hard");
  status["used"] = std::move(numbers);
  return status;
}

// Kubernetes refuses creations, and of updates those of what may grow: services, claims, resized pods.
bool is_refusable(const WriteContext& context) {
  if (context.operation == "CREATE") return true;
  if (context.operation != "UPDATE") return false;
  return context.resource->gvr.qualified() != "pods" || context.subresource == "resize";
}

}  // namespace

struct QuotaLedger::Quota {
  Object object;
  ResourceList hard;
  std::vector<QuotaScope> scopes;
  bool stale = false;           // must be counted anew
  std::optional<Json> writing;  // the status that is on its way to the store
};

struct QuotaLedger::Member {
  Member(const WriteContext& context, const ObjectChange& change)
      : resource(context.resource->gvr),
        key(context.ns, context.name),
        refusable(is_refusable(context)),
        operation(change.operation),
        companions(change.companions),
        durability(change.durability) {
    if (change.before != nullptr) before = Object(Json(*change.before));
    if (change.after != nullptr) after = Object(Json(*change.after));
  }
  const Json* old() const { return before ? &before.json() : nullptr; }
  const Json* now() const { return after ? &after.json() : nullptr; }
  bool is_quota() const { return resource.group.empty() && resource.resource == kQuotas.resource; }
  void answer(Result<store::Revision> what) {
    result.emplace(std::move(what));
    done.notify_all();
  }

  const api::Gvr resource;
  const api::Key key;
  const bool refusable;
  const store::Operation operation;
  const std::vector<store::Operation> companions;
  const store::Durability durability;
  Object before, after;
  int attempts = 0;
  std::string refused;
  std::optional<Result<store::Revision>> result;
  rt::Event done;
};

struct QuotaLedger::Room {
  std::map<std::string, Quota> quotas;  // by name
  std::deque<std::shared_ptr<Member>> waiting;
  bool busy = false;  // a task works here
  bool stale() const {
    return std::any_of(quotas.begin(), quotas.end(), [](const auto& entry) { return entry.second.stale; });
  }
};

// What a pod in the quota's scopes leaves open.
std::string QuotaLedger::unsaid(const Quota& quota, const api::Gvr& resource, const Json& object) {
  const bool pod = resource.group.empty() && resource.resource == "pods";
  if (!pod || !in_quota_scopes(quota.scopes, resource, object)) return "";
  return missing_amounts(quota.hard, object);
}

QuotaLedger::QuotaLedger(Cacher& cacher) : cacher_(cacher) {
  cacher_.resource(kQuotas).on_change([this](const CacheEvent& event) {
    if (group_) observe(event);  // start() will read the whole
  });
}

QuotaLedger::~QuotaLedger() = default;

void QuotaLedger::start(rt::Executor executor) {
  if (group_) return;
  group_ = std::make_unique<rt::Group>(std::move(executor));
  std::vector<Object> quotas;
  cacher_.resource(kQuotas).for_each("", [&quotas](const Object& quota) {
    quotas.push_back(quota);
    return true;
  });
  for (const auto& quota : quotas) {
    CacheEvent event;
    event.key = quota.key();
    event.after = quota;
    observe(event);
  }
}

rt::Task<> QuotaLedger::stop() {
  if (group_) co_await group_->stop();
}

QuotaLedger::Room* QuotaLedger::room_of(const std::string& ns) {
  const auto found = rooms_.find(ns);
  return found == rooms_.end() ? nullptr : found->second.get();
}

void QuotaLedger::observe(const CacheEvent& event) {
  auto& room = rooms_[event.key.ns];
  if (!room) room = std::make_unique<Room>();
  if (event.removed) {
    room->quotas.erase(event.key.name);
    if (room->quotas.empty() && !room->busy && room->waiting.empty()) rooms_.erase(event.key.ns);
    return;
  }
  static const Json kNone;
  const auto part = [](const Object& object, const char* name) -> const Json& {
    const Json* found = object ? api::find(object.json(), name) : nullptr;
    return found ? *found : kNone;
  };
  auto& quota = room->quotas[event.key.name];
  const Json& status = part(event.after, "status");
  if (quota.writing && *quota.writing == status) {
    quota.stale = false;
  } else if (!quota.object) {
    quota.stale = !status_fits(event.after.json());
  } else if (part(quota.object, "spec") != part(event.after, "spec") ||
             part(quota.object, "status") != status) {
    quota.stale = true;
  }
  quota.writing.reset();
  quota.object = event.after;
  quota.hard = read_resources(api::object(event.after.json(), "spec.hard"));
  quota.scopes = quota_scopes(event.after.json());
  if (quota.stale) wake(event.key.ns, *room);
}

void QuotaLedger::wake(const std::string& ns, Room& room) {
  if (room.busy) return;
  room.busy = true;
  group_->spawn("quota", work(ns));
}

bool QuotaLedger::counts(const Room& room, const api::Gvr& resource, const api::Key& key, const Json* before,
                         const Json* after) const {
  const bool quota_itself = resource.group.empty() && resource.resource == kQuotas.resource;
  for (const auto& [name, quota] : room.quotas) {
    if (quota_itself && name == key.name) continue;
    if (!difference(counted(quota.hard, quota.scopes, resource, after),
                    counted(quota.hard, quota.scopes, resource, before))
             .empty())
      return true;
    if (before == nullptr && after != nullptr && !unsaid(quota, resource, *after).empty()) return true;
  }
  return false;
}

rt::Task<Result<store::Revision>> QuotaLedger::commit(const WriteContext& context, ObjectChange change) {
  if (!group_) start(co_await rt::this_executor());
  Room* room = context.ns.empty() ? nullptr : room_of(context.ns);
  const api::Key key(context.ns, context.name);
  if (room == nullptr || !counts(*room, context.resource->gvr, key, change.before, change.after)) {
    std::vector<store::Operation> operations;
    operations.push_back(std::move(change.operation));
    const auto behind = static_cast<store::Revision>(change.companions.size());
    for (auto& companion : change.companions) operations.push_back(std::move(companion));
    auto last = co_await cacher_.store().commit(std::move(operations), change.durability);
    if (!last.ok()) co_return std::move(last).error();
    co_return *last - behind;  // operations have consecutive revisions
  }
  auto member = std::make_shared<Member>(context, change);
  room->waiting.push_back(member);
  wake(context.ns, *room);
  while (!member->result) co_await member->done.wait();
  if (!member->refused.empty()) co_return forbidden_by(context, member->now(), member->refused);
  co_return std::move(*member->result);
}

Result<void> QuotaLedger::check(const WriteContext& context, const Json* before, const Json* after) const {
  const auto found = rooms_.find(context.ns);
  if (context.ns.empty() || found == rooms_.end()) return ok();
  ObjectChange change(store::Operation(store::Operation::Kind::kPut, "", SharedBytes(), 0), {}, before, after,
                      store::Durability::kDurable);
  const Member member(context, change);
  auto counts = counts_of(*found->second);
  const auto why = decide(*found->second, member, counts);
  return why.empty() ? ok() : forbidden_by(context, after, why);
}

// One task per namespace that has work: counts anew what is stale, then takes what waits, a batch at a time.
rt::Task<> QuotaLedger::work(std::string ns) {
  co_await rt::yield();  // not inside the cache's feed; and what arrives with the first goes with it
  for (;;) {
    Room* room = room_of(ns);  // not removed while busy
    const bool stale = room->stale();
    if (room->waiting.empty() && !stale) {
      room->busy = false;
      if (room->quotas.empty()) rooms_.erase(ns);
      co_return;
    }
    if (stale) {
      if (auto settled = co_await settle_earlier_writes(); !settled.ok()) {
        kLog.warn("quotas cannot be counted", "namespace", ns, "error", settled.error().message());
        auto waiting = std::move(room->waiting);
        room->waiting.clear();
        room->busy = false;  // the next change tries again
        for (auto& member : waiting) member->answer(settled.error());
        co_return;
      }
    }
    if (co_await take_turn(ns) || !room->waiting.empty()) continue;
    room->busy = false;  // the store does not answer; the next change tries again
    co_return;
  }
}

// Writes that were on their way before a quota appeared went uncounted: once a question asked after them is
// answered, the cache shows them.
rt::Task<Result<void>> QuotaLedger::settle_earlier_writes() {
  auto answer = co_await cacher_.store().range("\x7f", "", 1, 0);
  if (!answer.ok()) co_return std::move(answer).error();
  co_return ok();
}

// Nothing that this quota counts changes meanwhile: such changes wait for this very task.
rt::Task<ResourceList> QuotaLedger::recount(std::string ns, ResourceList hard,
                                            std::vector<QuotaScope> scopes) {
  std::set<api::Gvr> resources;
  for (const auto& [name, limit] : hard) {
    for (auto& resource : counted_resources(name)) resources.insert(std::move(resource));
  }
  ResourceList used;
  for (const auto& resource : resources) {
    std::vector<Object> objects;
    cacher_.resource(resource).for_each(ns, [&objects](const Object& object) {
      objects.push_back(object);
      return true;
    });
    std::size_t seen = 0;
    for (const auto& object : objects) {
      // A copy of its own, so that the shared object does not keep a parsed form for our sake.
      const Object copy(object.bytes());
      for (const auto& [name, more] : counted(hard, scopes, resource, &copy.json()))
        used[name] = used[name] + more;
      if (++seen % kObjectsPerTurn == 0) co_await rt::yield();
    }
  }
  co_return used;
}

rt::Task<bool> QuotaLedger::take_turn(std::string ns) {
  Room& room = *room_of(ns);
  std::map<std::string, std::pair<Object, ResourceList>> fresh;  // counted anew, as of this state
  std::vector<std::string> stale;
  for (const auto& [name, quota] : room.quotas) {
    if (quota.stale) stale.push_back(name);
  }
  for (const auto& name : stale) {
    const auto found = room.quotas.find(name);
    if (found == room.quotas.end()) continue;
    const Object seen = found->second.object;
    auto used = co_await recount(ns, found->second.hard, found->second.scopes);
    fresh.emplace(name, std::pair(seen, std::move(used)));
  }
  // Quotas may have come, changed or gone while others were counted: then again. From here to the commit
  // nothing else runs.
  Counts counts = counts_of(room);
  std::set<std::string> touched;
  for (const auto& [name, quota] : room.quotas) {
    if (!quota.stale) continue;
    const auto found = fresh.find(name);
    if (found == fresh.end() || found->second.first.resource_version() != quota.object.resource_version())
      co_return true;
    counts[name] = found->second.second;
    touched.insert(name);
  }
  const Counts before = counts;
  Batch batch = next_batch(room), accepted;
  for (auto& member : batch) {
    member->refused = decide(room, *member, counts);
    if (member->refused.empty()) {
      accepted.push_back(member);
    } else {
      member->answer(Error(Reason::kForbidden, member->refused));
    }
  }
  for (const auto& [name, used] : counts) {
    const auto earlier = before.find(name);
    if (earlier == before.end() || earlier->second != used) touched.insert(name);
  }
  co_return co_await commit_batch(ns, std::move(accepted), std::move(touched), std::move(counts));
}

// What waits longest; each object once, and a quota that is written itself alone, because others' counts
// would write it too.
QuotaLedger::Batch QuotaLedger::next_batch(Room& room) {
  Batch batch;
  std::set<std::pair<api::Gvr, api::Key>> keys;
  while (!room.waiting.empty() && batch.size() < kBatchMax) {
    const auto& next = room.waiting.front();
    if (!batch.empty() && (next->is_quota() || batch.front()->is_quota())) break;
    if (!keys.emplace(next->resource, next->key).second) break;
    batch.push_back(next);
    room.waiting.pop_front();
  }
  return batch;
}

QuotaLedger::Counts QuotaLedger::counts_of(const Room& room) const {
  Counts counts;
  for (const auto& [name, quota] : room.quotas)
    counts[name] = read_resources(api::object(quota.object.json(), "status.used"));
  return counts;
}

// Why not, or "" and the member is counted.
std::string QuotaLedger::decide(const Room& room, const Member& member, Counts& counts) const {
  std::map<std::string, ResourceList> changes;
  for (const auto& [name, quota] : room.quotas) {
    if (member.is_quota() && name == member.key.name) continue;
    const auto after = counted(quota.hard, quota.scopes, member.resource, member.now());
    const auto more = difference(after, counted(quota.hard, quota.scopes, member.resource, member.old()));
    if (member.refusable && member.now() != nullptr) {
      if (const auto missing = unsaid(quota, member.resource, *member.now()); !missing.empty())
        return "failed quota: " + name + ": " + missing;
    }
    if (more.empty()) continue;
    std::vector<std::string> exceeded;
    for (const auto& [what, by] : more) {
      if (by > Quantity() && amount(counts[name], what) + by > amount(quota.hard, what))
        exceeded.push_back(what);
    }
    if (member.refusable && !exceeded.empty())
      return "exceeded quota: " + name + ", requested: " + text_of_amounts(exceeded, more) +
             ", used: " + text_of_amounts(exceeded, counts[name]) +
             ", limited: " + text_of_amounts(exceeded, quota.hard);
    changes.emplace(name, more);
  }
  for (const auto& [name, more] : changes) {
    for (const auto& [what, by] : more) {
      auto& used = counts[name][what];
      used = used + by;
    }
  }
  return "";
}

rt::Task<bool> QuotaLedger::commit_batch(std::string ns, Batch batch, std::set<std::string> touched,
                                         Counts counts) {
  Room& room = *room_of(ns);
  std::vector<store::Operation> operations;
  auto durability = touched.empty() ? store::Durability::kLazy : store::Durability::kDurable;
  std::vector<store::Revision> places;
  for (const auto& member : batch) {
    places.push_back(static_cast<store::Revision>(operations.size()));
    operations.push_back(member->operation);
    for (const auto& companion : member->companions) operations.push_back(companion);
    if (member->durability == store::Durability::kDurable) durability = store::Durability::kDurable;
  }
  for (const auto& name : touched) {
    auto& quota = room.quotas.at(name);
    Json changed = quota.object.json();
    Json status = status_of(changed, counts[name]);
    api::set(changed, "status", status);
    quota.writing = std::move(status);
    operations.emplace_back(store::Operation::Kind::kPut, Cacher::store_key(kQuotas, api::Key(ns, name)),
                            encode_stored(changed), revision_of(quota.object));
  }
  if (operations.empty()) co_return true;
  const auto behind = static_cast<store::Revision>(operations.size()) - 1;
  auto last = co_await cacher_.store().commit(std::move(operations), durability);
  if (last.ok()) {
    // Operations have consecutive revisions.
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i]->answer(*last - behind + places[i]);
    co_return true;
  }
  for (auto& [name, quota] : room.quotas) quota.writing.reset();
  if (last.error().is(Reason::kConflict)) {
    retry_or_refuse(room, std::move(batch), last.error());
    co_return true;
  }
  for (auto& member : batch) member->answer(last.error());
  co_return !batch.empty();
}

// The whole transaction failed for one of its keys. Whose object has moved on hears of it; the others, and
// all when it was a quota, go first in the next one.
void QuotaLedger::retry_or_refuse(Room& room, Batch batch, const Error& error) {
  for (auto member = batch.rbegin(); member != batch.rend(); ++member) {
    const Object current = cacher_.get((*member)->resource, (*member)->key);
    const auto revision = current ? revision_of(current) : store::Operation::kAbsent;
    if (revision != (*member)->operation.expected || ++(*member)->attempts > kAttemptsMax) {
      (*member)->answer(error);
    } else {
      room.waiting.push_front(*member);
    }
  }
}

}  // namespace mk::apiserver
