#include "extensions/definitions.h"

#include "extensions/custom_resource.h"
#include "extensions/definition_strategy.h"
#include "extensions/names.h"
#include "mk/base/assert.h"
#include "mk/base/log.h"
#include "registry/metadata.h"

namespace mk::apiserver {

using api::Json;
using api::Object;

namespace {

constexpr Log kLog("definitions");
const api::Gvr kDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};

std::uint64_t fnv1a(std::string_view text, std::uint64_t hash = 14695981039346656037ull) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

const Json& version_of(const Json& definition, std::string_view name) {
  for (const auto& version : api::list(definition, "spec.versions")) {
    if (api::str(version, "name") == name) return version;
  }
  static const Json kNone = api::JsonObject();
  return kNone;
}

std::string storage_version(const Json& definition) {
  for (const auto& version : api::list(definition, "spec.versions")) {
    if (api::flag(version, "storage")) return std::string(api::str(version, "name"));
  }
  return "";
}

const Json& open_api_of(const Json& version) {
  const Json* schema = api::find(version, "schema.openAPIV3Schema");
  static const Json kNone = api::JsonObject();
  return schema ? *schema : kNone;
}

// Everything of a definition that its resources are made of.
std::uint64_t fingerprint(const Json& definition) {
  const Json *spec = api::find(definition, "spec"), *names = api::find(definition, "status.acceptedNames");
  auto hash = fnv1a(spec ? api::to_json(*spec) : "");
  hash = fnv1a(names ? api::to_json(*names) : "", hash);
  return fnv1a(api::find(definition, "metadata.deletionTimestamp") ? "deleting" : "", hash);
}

// One entry of the table for each version served, with its schema compiled once.
ResourceTable::Added compile(const Json& definition) {
  ResourceTable::Added out;
  auto served = api::defined_resources(definition);
  if (served.empty()) return out;
  const auto compiled = [&](const std::string& version) {
    const api::Gvk kind{std::string(api::str(definition, "spec.group")), version, served.front().kind};
    return std::make_shared<const api::StructuralSchema>(open_api_of(version_of(definition, version)), kind);
  };
  CustomResource::Version storage;
  storage.name = storage_version(definition);
  storage.schema = compiled(storage.name);
  for (auto& resource : served) {
    const auto& name = resource.gvr.version;
    auto schema = name == storage.name ? storage.schema : compiled(name);
    resource.extension = std::make_shared<const CustomResource>(definition, version_of(definition, name),
                                                                std::move(schema), storage);
    out.push_back(std::make_shared<const api::ResourceInfo>(std::move(resource)));
  }
  return out;
}

}  // namespace

Definitions::Definitions(Cacher& cacher, ResourceTable& table) : cacher_(cacher), table_(table) {
  ResourceCache& cache = cacher_.resource(kDefinitions);
  cache.for_each("", [this](const Object& shared) {
    // A copy of our own: definitions are large, and the shared object shall not keep a parsed form.
    const Object definition(shared.bytes());
    const std::string name(definition.name());
    note_names(name, definition);
    publish(name, definition);
    return true;
  });
  cache.on_change([this](const CacheEvent& event) { follow(event); });
}

void Definitions::follow(const CacheEvent& event) {
  const Object definition = event.removed ? Object() : Object(event.after.bytes());
  const std::string& name = event.key.name;
  publish(name, definition);
  enqueue(name);
  // A definition is called after its plural and group.
  if (note_names(name, definition)) enqueue_group(name.substr(name.find('.') + 1));
}

bool Definitions::note_names(const std::string& name, const Object& definition) {
  auto& group = names_[name.substr(name.find('.') + 1)];
  const Json* now = api::find(definition.json(), "status.acceptedNames");
  const auto before = group.find(name);
  const bool changed = before != group.end() && (now == nullptr || before->second != *now);
  if (now) {
    group[name] = *now;
  } else if (before != group.end()) {
    group.erase(before);
  }
  return changed;
}

void Definitions::publish(const std::string& name, const Object& definition) {
  const bool serves = definition && !api::defined_resources(definition.json()).empty();
  const auto hash = serves ? fingerprint(definition.json()) : 0;
  const auto before = served_.find(name);
  if ((before == served_.end() ? 0 : before->second) == hash) return;
  if (serves) {
    served_[name] = hash;
  } else {
    served_.erase(before);
  }
  auto resources = serves ? compile(definition.json()) : ResourceTable::Added();
  ResourceCache& stored = cacher_.stored(name);
  stored.drop_views();
  for (const auto& resource : resources) {
    auto show = [resource](const Object& object) { return custom_of(*resource)->show(object); };
    stored.add_view(resource->gvr.api_version(), std::move(show));
  }
  table_.set(name, std::move(resources));
}

void Definitions::serve_computed(Json definition) {
  const std::string name(api::str(definition, "metadata.name"));
  ResourceTable::Added resources;
  for (const auto& stored : compile(definition)) {
    api::ResourceInfo resource = *stored;
    resource.verbs = {"get", "list"};
    resource.subresources.clear();
    resources.push_back(std::make_shared<const api::ResourceInfo>(std::move(resource)));
  }
  MK_ASSERT(!resources.empty());
  table_.set(name, std::move(resources));
  served_[name] = fingerprint(definition);
  computed_[name] = Object(std::move(definition));
}

void Definitions::enqueue(const std::string& name) {
  if (queue_) queue_->add(name);
}

void Definitions::enqueue_group(const std::string& group) {
  for (const auto& [name, names] : names_[group]) enqueue(name);
}

void Definitions::start(Registry& registry, rt::Clock& clock, rt::Group& group) {
  registry_ = &registry;
  clock_ = &clock;
  client::WorkQueue::Backoff backoff;
  backoff.most = std::chrono::seconds(60);
  queue_ = std::make_unique<client::WorkQueue>(clock, group, backoff);
  for (const auto& [of, definitions] : names_) {
    for (const auto& [name, names] : definitions) enqueue(name);
  }
  group.spawn("definitions", work());
}

rt::Task<> Definitions::work() {
  for (;;) {
    const std::string name = co_await queue_->take();
    const auto done = co_await reconcile(name);
    if (done.ok()) {
      queue_->forget(name);
    } else {
      kLog.debug("not yet", "definition", name, "why", done.error().message());
      queue_->add_rate_limited(name);
    }
    queue_->done(name);
  }
}

rt::Task<Result<void>> Definitions::reconcile(std::string name) {
  const Object found = cacher_.get(kDefinitions, api::Key("", name));
  if (!found) co_return ok();
  const Object definition(found.bytes());
  if (!definition.deleting()) co_return co_await settle_names(definition);
  if (has_finalizer(definition.json(), kCleanupFinalizer)) co_return co_await clean_up(definition);
  co_return ok();
}

rt::Task<Result<void>> Definitions::settle_names(Object definition) {
  const std::string name(definition.name()), now = rt::format_time(clock_->now());
  std::vector<Json> others;
  for (const auto& [other, names] : names_[std::string(api::str(definition.json(), "spec.group"))]) {
    if (other != name) others.push_back(names);
  }
  Json wanted = definition.json();
  if (!accept_names(wanted, others, now)) co_return ok();
  auto change = [&others, now](const Object& current) -> Result<Json> {
    Json changed = current.json();
    accept_names(changed, others, now);
    return changed;
  };
  co_return co_await write(name, std::move(change));
}

WriteContext Definitions::context(ResourceRef resource, const api::Key& key) const {
  WriteContext out;
  out.resource = std::move(resource);
  out.user.name = "system:apiserver";
  out.user.groups = {"system:masters"};
  out.ns = key.ns;
  out.name = key.name;
  out.field_manager = "kube-apiserver";
  out.now = rt::format_time(clock_->now());
  return out;
}

rt::Task<Result<void>> Definitions::write(std::string name, Registry::Change change) {
  WriteContext writing = context(table_.find(kDefinitions), api::Key("", name));
  writing.subresource = "status";
  auto written = co_await registry_->modify(writing, std::move(change));
  if (written.ok() || written.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(written).error();
}

// The objects go first; the last to go wakes us again.
rt::Task<Result<void>> Definitions::clean_up(Object definition) {
  const std::string name(definition.name());
  if (watched_.insert(name).second) {
    instances(name).on_change([this, name](const CacheEvent& event) {
      if (event.removed && instances(name).size() == 0) enqueue(name);
    });
  }
  MK_CO_TRY(co_await remove_instances(name));
  const bool empty = instances(name).size() == 0 || table_.of(name).empty();
  auto change = [this, empty](const Object& current) -> Result<Json> {
    Json changed = current.json();
    const std::string now = rt::format_time(clock_->now());
    if (empty) {
      set_definition_condition(changed, "Terminating", "False", "InstanceDeletionCompleted",
                               "removed all instances", now);
      set_finalizer(changed, kCleanupFinalizer, false);
    } else {
      set_definition_condition(changed, "Terminating", "True", "InstanceDeletionInProgress",
                               "CustomResource deletion is in progress", now);
    }
    return changed;
  };
  co_return co_await write(name, std::move(change));
}

rt::Task<Result<void>> Definitions::remove_instances(std::string name) {
  const auto& served = table_.of(name);
  if (served.empty()) co_return ok();
  const ResourceRef resource(served.front());
  std::vector<api::Key> keys;
  instances(name).for_each("", [&](const Object& object) {
    keys.push_back(Object(object.bytes()).key());
    return true;
  });
  for (const auto& key : keys) {
    WriteContext removing = context(resource, key);
    client::DeleteOptions options;
    options.propagation = "Background";
    auto gone = co_await registry_->remove(removing, std::move(options));
    if (!gone.ok() && !gone.error().is(Reason::kNotFound)) co_return std::move(gone).error();
    co_await rt::yield();
  }
  co_return ok();
}

}  // namespace mk::apiserver
