#include "kit/controller.h"

#include "mk/rt/event.h"

namespace mk::controller {

std::string queue_text(const api::Key& key) {
  return key.ns + "/" + key.name;
}

api::Key key_of_text(std::string_view text) {
  const auto slash = text.find('/');
  return api::Key(std::string(text.substr(0, slash)), std::string(text.substr(slash + 1)));
}

Controller::Controller(Context& context, std::string name, int workers)
    : context_(context),
      name_(std::move(name)),
      workers_(workers),
      client_(context.client_for(name_)),
      queue_(context.clock, context.group, client::WorkQueue::Backoff()),
      recorder_(client_, context.clock, context.group, name_, ""),
      expectations_(context.clock) {}

void Controller::start() {
  for (int i = 0; i < workers_; ++i) context_.group.spawn(name_, work());
}

client::Informer& Controller::watch(const api::Gvr& resource, Mapper mapper) {
  auto& informer = context_.informers.informer(resource);
  informer.on_change([this, mapper = std::move(mapper)](const api::Object& before, const api::Object& after) {
    for (const auto& key : mapper(before, after)) enqueue(key);
  });
  return informer;
}

client::Informer& Controller::watch_owned(const api::Gvr& resource, Mapper mapper) {
  context_.informers.indexed(resource, kByController, controller_index);
  return watch(resource, std::move(mapper));
}

Controller::Keys Controller::self(const api::Object& before, const api::Object& after) {
  return {after ? after.key() : before.key()};
}

Controller::Keys Controller::namespace_of(const api::Object& before, const api::Object& after) {
  return {api::Key("", std::string(after ? after.ns() : before.ns()))};
}

Controller::Mapper Controller::controllers(api::Gvk kind) {
  return [kind = std::move(kind)](const api::Object& before, const api::Object& after) {
    Keys keys;
    for (const auto* object : {&before, &after}) {
      const auto* owner = *object ? api::controller_of(*object) : nullptr;
      if (!owner || api::str(*owner, "kind") != kind.kind) continue;
      if (api::parse_gvk(api::str(*owner, "apiVersion"), kind.kind).group != kind.group) continue;
      keys.emplace_back(std::string(object->ns()), std::string(api::str(*owner, "name")));
    }
    return keys;
  };
}

void Controller::enqueue(const api::Key& key) {
  queue_.add(queue_text(key));
}

void Controller::enqueue_after(const api::Key& key, rt::Duration delay) {
  queue_.add_after(queue_text(key), delay);
}

rt::Task<> Controller::work() {
  while (true) co_await handle(co_await queue_.take());
}

rt::Task<> Controller::handle(std::string text) {
  // done() also when cancelled, so that a queue being torn down is consistent.
  struct Done {
    client::WorkQueue& queue;
    const std::string& text;
    ~Done() { queue.done(text); }
  } done{queue_, text};

  const auto result = co_await reconcile(key_of_text(text));
  if (result.ok()) {
    queue_.forget(text);
    co_return;
  }
  if (result.error().is(Reason::kConflict)) {
    log_.debug("conflict, trying again", "controller", name_, "key", text);
  } else {
    log_.warn("reconcile failed", "controller", name_, "key", text, "error", result.error().message());
  }
  queue_.add_rate_limited(text);
}

// How many of a set of tasks still run. Shared, so that tasks may outlive a cancelled waiter until their
// group has ended them too.
struct Controller::Join {
  std::size_t running = 0;
  rt::Event ended;
};

rt::Task<> Controller::joined(std::shared_ptr<Join> join, rt::Task<> task) {
  struct Leave {
    Join& join;
    ~Leave() {
      if (--join.running == 0) join.ended.notify_all();
    }
  } leave{*join};
  co_await std::move(task);
}

rt::Task<Result<void>> Controller::write_status(api::Gvr resource, api::Object before, api::Json changed) {
  const auto* present = api::find(before.json(), "status");
  const auto* wanted = api::find(changed, "status");
  if (wanted == nullptr || (present != nullptr && *present == *wanted)) co_return ok();
  auto done = co_await client().update(std::move(resource), api::Object(std::move(changed)), "status",
                                       client::WriteOptions());
  if (done.ok() || done.error().is(Reason::kNotFound)) co_return ok();
  co_return std::move(done).error();
}

rt::Task<> Controller::run_all(std::vector<rt::Task<>> tasks) {
  auto join = std::make_shared<Join>();
  join->running = tasks.size();
  for (auto& task : tasks) context_.group.spawn(name_, joined(join, std::move(task)));
  tasks.clear();
  while (join->running > 0) co_await join->ended.wait();
}

void Controller::event(const api::Object& about, std::string type, std::string reason, std::string message) {
  recorder_.record(client::EventRecorder::reference(about), std::move(type), std::move(reason),
                   std::move(message));
}

}  // namespace mk::controller
