#include "local_client.h"

#include "http/status.h"
#include "registry/errors.h"
#include "registry/lister.h"
#include "registry/subresources.h"

namespace mk::apiserver {

using api::Gvr;
using api::Key;
using api::Object;

namespace {

client::WatchEvent::Type event_type(WatchItem::Type type) {
  switch (type) {
    case WatchItem::Type::kAdded:
      return client::WatchEvent::Type::kAdded;
    case WatchItem::Type::kModified:
      return client::WatchEvent::Type::kModified;
    case WatchItem::Type::kDeleted:
      return client::WatchEvent::Type::kDeleted;
  }
  return client::WatchEvent::Type::kAdded;
}

class LocalWatch : public client::Watch {
 public:
  LocalWatch(ResourceRef resource, WatchStart start)
      : resource_(std::move(resource)), start_(std::move(start)) {}

  rt::Task<Result<client::WatchEvent>> next() override {
    if (next_initial_ < start_.initial.size())
      co_return client::WatchEvent(client::WatchEvent::Type::kAdded, start_.initial[next_initial_++]);
    start_.initial.clear();
    next_initial_ = 0;
    if (start_.bookmark_after_initial) {
      start_.bookmark_after_initial = false;
      co_return client::WatchEvent(client::WatchEvent::Type::kBookmark,
                                   bookmark(*resource_, start_.revision, true));
    }
    auto item = co_await start_.watcher->next();
    if (!item && !start_.watcher->lagging()) co_return Error(Reason::kGone, "the resource has changed");
    if (!item) co_return Error(Reason::kExpired, "the watch fell too far behind; list again");
    co_return client::WatchEvent(event_type(item->type), std::move(item->object));
  }

 private:
  const ResourceRef resource_;
  WatchStart start_;
  std::size_t next_initial_ = 0;
};

class LocalClient : public client::Client {
 public:
  LocalClient(Registry& registry, const ResourceTable& table, VirtualResources& virtuals,
              Authorizer& authorizer, UserInfo user, std::string manager)
      : registry_(registry),
        table_(table),
        virtuals_(virtuals),
        authorizer_(authorizer),
        user_(std::move(user)),
        manager_(std::move(manager)) {}

  rt::Task<Result<Object>> get(Gvr gvr, Key key) override {
    MK_CO_ASSIGN(const ResourceRef resource, admit("get", gvr, key.ns, key.name, ""));
    if (const auto* read = virtuals_.reader(gvr)) {
      VirtualResources::Query query{key.ns, key.name, "", ""};
      MK_CO_ASSIGN(auto found, co_await (*read)(std::move(query)));
      if (found.empty()) co_return not_found(gvr, key.name);
      co_return std::move(found.front());
    }
    if (registry_.cacher().may_be_behind("")) MK_CO_TRY(co_await registry_.cacher().store().linearize());
    co_return registry_.get(*resource, key);
  }

  rt::Task<Result<Object>> get_subresource(Gvr gvr, Key key, std::string subresource) override {
    MK_CO_ASSIGN(const ResourceRef resource, admit("get", gvr, key.ns, key.name, subresource));
    if (resource->subresource(subresource) == nullptr) co_return not_found(gvr, key.name + "/" + subresource);
    MK_CO_ASSIGN(const Object object, registry_.get(*resource, key));
    if (subresource != "scale") co_return object;
    MK_CO_ASSIGN(api::Json scale, scale_of(*resource, object));
    co_return Object(std::move(scale));
  }

  rt::Task<Result<client::ObjectList>> list(Gvr gvr, std::string ns, client::ListOptions options) override {
    MK_CO_ASSIGN(const ResourceRef resource,
                 admit_selected("list", gvr, ns, options.field_selector, options.label_selector));
    client::ObjectList out;
    if (const auto* read = virtuals_.reader(gvr)) {
      VirtualResources::Query query{ns, "", options.label_selector, options.field_selector};
      MK_CO_ASSIGN(out.items, co_await (*read)(std::move(query)));
      co_return out;
    }
    MK_CO_ASSIGN(auto list, co_await list_objects(registry_.cacher(), *resource, ns, std::move(options)));
    out.items = std::move(list.items);
    out.resource_version = std::to_string(list.revision);
    out.continue_token = std::move(list.continue_token);
    co_return out;
  }

  rt::Task<Result<std::unique_ptr<client::Watch>>> watch(Gvr gvr, std::string ns,
                                                         client::WatchOptions options) override {
    MK_CO_ASSIGN(const ResourceRef resource,
                 admit_selected("watch", gvr, ns, options.field_selector, options.label_selector));
    if (registry_.cacher().may_be_behind(options.resource_version))
      MK_CO_TRY(co_await registry_.cacher().store().linearize());
    MK_CO_ASSIGN(auto start, start_watch(registry_.cacher(), *resource, ns, options));
    std::unique_ptr<client::Watch> watch = std::make_unique<LocalWatch>(resource, std::move(start));
    co_return watch;
  }

  rt::Task<Result<Object>> create(Gvr gvr, std::string ns, Object object,
                                  client::WriteOptions options) override {
    MK_CO_ASSIGN(const ResourceRef resource, admit("create", gvr, ns, "", ""));
    WriteContext context = write_context(resource, Key(ns, ""), "", options);
    if (const auto* make = virtuals_.find(gvr, "")) {
      MK_CO_ASSIGN(api::Json made, co_await (*make)(context, object.json()));
      co_return Object(std::move(made));
    }
    MK_CO_ASSIGN(Written written, co_await registry_.create(context, object.json()));
    co_return std::move(written.object);
  }

  rt::Task<Result<Object>> create_subresource(Gvr gvr, Key key, std::string subresource,
                                              Object object) override {
    MK_CO_ASSIGN(const ResourceRef resource, admit("create", gvr, key.ns, key.name, subresource));
    const auto* make = virtuals_.find(gvr, subresource);
    if (make == nullptr) co_return method_not_supported(gvr, "create " + subresource);
    WriteContext context = write_context(resource, key, subresource, client::WriteOptions());
    MK_CO_ASSIGN(api::Json made, co_await (*make)(context, object.json()));
    co_return Object(std::move(made));
  }

  rt::Task<Result<Object>> update(Gvr gvr, Object object, std::string subresource,
                                  client::WriteOptions options) override {
    const Key key = object.key();
    MK_CO_ASSIGN(const ResourceRef resource, admit("update", gvr, key.ns, key.name, subresource));
    WriteContext context = write_context(resource, key, subresource, options);
    if (subresource == "scale") co_return co_await update_scale(registry_, context, object.json());
    MK_CO_ASSIGN(Written written, co_await registry_.update(context, object.json()));
    co_return std::move(written.object);
  }

  rt::Task<Result<Object>> patch(Gvr gvr, Key key, std::string subresource, client::PatchType type,
                                 api::Json patch, client::WriteOptions options) override {
    MK_CO_ASSIGN(const ResourceRef resource, admit("patch", gvr, key.ns, key.name, subresource));
    WriteContext context = write_context(resource, key, subresource, options);
    if (subresource == "scale") co_return co_await patch_scale(registry_, context, type, std::move(patch));
    MK_CO_ASSIGN(Written written, co_await registry_.patch(context, type, std::move(patch)));
    co_return std::move(written.object);
  }

  rt::Task<Result<Object>> remove(Gvr gvr, Key key, client::DeleteOptions options) override {
    MK_CO_ASSIGN(const ResourceRef resource, admit("delete", gvr, key.ns, key.name, ""));
    WriteContext context = write_context(resource, key, "", client::WriteOptions());
    MK_CO_ASSIGN(Deleted deleted, co_await registry_.remove(context, std::move(options)));
    co_return std::move(deleted.object);
  }

  rt::Task<Result<void>> remove_collection(Gvr gvr, std::string ns, client::ListOptions which,
                                           client::DeleteOptions options) override {
    MK_CO_ASSIGN(const ResourceRef resource, admit("deletecollection", gvr, ns, "", ""));
    MK_CO_ASSIGN(auto list, co_await list_objects(registry_.cacher(), *resource, ns, std::move(which)));
    for (const Object& object : list.items) {
      WriteContext context = write_context(resource, object.key(), "", client::WriteOptions());
      auto deleted = co_await registry_.remove(context, options);
      if (!deleted.ok() && !deleted.error().is(Reason::kNotFound)) co_return std::move(deleted).error();
    }
    co_return ok();
  }

 private:
  Result<ResourceRef> admit(const char* verb, const Gvr& gvr, const std::string& ns, const std::string& name,
                            const std::string& subresource) {
    return authorize(attributes(verb, gvr, ns, name, subresource), gvr);
  }

  Result<ResourceRef> admit_selected(const char* verb, const Gvr& gvr, const std::string& ns,
                                     const std::string& field_selector, const std::string& label_selector) {
    Attributes asked = attributes(verb, gvr, ns, "", "");
    asked.field_selector = field_selector;
    asked.label_selector = label_selector;
    return authorize(std::move(asked), gvr);
  }

  Attributes attributes(const char* verb, const Gvr& gvr, const std::string& ns, const std::string& name,
                        const std::string& subresource) const {
    Attributes out;
    out.user = user_;
    out.verb = verb;
    out.group = gvr.group;
    out.version = gvr.version;
    out.resource = gvr.resource;
    out.subresource = subresource;
    out.ns = ns;
    out.name = name;
    return out;
  }

  Result<ResourceRef> authorize(Attributes asked, const Gvr& gvr) {
    const ResourceRef resource = table_.find(gvr);
    if (resource == nullptr)
      return Error(Reason::kNotFound, "the server could not find the requested resource");
    const Decision decision = authorizer_.authorize(asked);
    if (!decision.allowed) return forbidden_error(asked, decision);
    return resource;
  }

  WriteContext write_context(const ResourceRef& resource, const Key& key, const std::string& subresource,
                             const client::WriteOptions& options) const {
    WriteContext context;
    context.resource = resource;
    context.user = user_;
    context.ns = key.ns;
    context.name = key.name;
    context.subresource = subresource;
    context.field_manager = options.field_manager.empty() ? manager_ : options.field_manager;
    context.dry_run = options.dry_run;
    context.force = options.force;
    context.now = rt::format_time(registry_.clock().now());
    context.may_create =
        [this, asked = attributes("create", resource->gvr, key.ns, key.name, subresource)]() -> Result<void> {
      const Decision decision = authorizer_.authorize(asked);
      return decision.allowed ? ok() : Result<void>(forbidden_error(asked, decision));
    };
    return context;
  }

  Registry& registry_;
  const ResourceTable& table_;
  VirtualResources& virtuals_;
  Authorizer& authorizer_;
  const UserInfo user_;
  const std::string manager_;
};

}  // namespace

std::unique_ptr<client::Client> make_local_client(Registry& registry, const ResourceTable& table,
                                                  VirtualResources& virtuals, Authorizer& authorizer,
                                                  UserInfo user, std::string field_manager) {
  return std::make_unique<LocalClient>(registry, table, virtuals, authorizer, std::move(user),
                                       std::move(field_manager));
}

}  // namespace mk::apiserver
