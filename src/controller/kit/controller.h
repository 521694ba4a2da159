#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kit/context.h"
#include "mk/base/log.h"
#include "mk/client/expectations.h"
#include "mk/client/work_queue.h"

namespace mk::controller {

// A level-triggered controller: one queue of keys, a few workers, one function that brings the world of a key
// one step nearer to what it should be and may run twice without harm. The base owns queue, back-off, workers
// and wiring; a controller says what it watches and how it reconciles.
class Controller {
 public:
  // `name` is the identity it acts as (system:serviceaccount:kube-system:<name>) and the source of its
  // events.
  Controller(Context& context, std::string name, int workers = 5);
  virtual ~Controller() = default;
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  // Once the informers have synced.
  virtual void start();
  const std::string& name() const { return name_; }

 protected:
  // Reads caches, decides, acts. An error is logged and the key comes back with growing delay; a conflict
  // comes back without a log line, because a fresher object is on its way.
  virtual rt::Task<Result<void>> reconcile(api::Key key) = 0;

  using Keys = std::vector<api::Key>;
  // Which keys a change of a watched object concerns. One of the two objects may be empty.
  using Mapper = std::function<Keys(const api::Object& before, const api::Object& after)>;

  // The resource's shared informer; changes enqueue what `mapper` says.
  client::Informer& watch(const api::Gvr& resource, Mapper mapper);
  // The same, indexed by controller (kByController).
  client::Informer& watch_owned(const api::Gvr& resource, Mapper mapper);
  // The informer without being woken by it.
  client::Informer& cache(const api::Gvr& resource) { return context_.informers.informer(resource); }

  static Keys self(const api::Object& before, const api::Object& after);
  // The namespace of the object, as a cluster-scoped key.
  static Keys namespace_of(const api::Object& before, const api::Object& after);
  // The controllers (before and after) of a changed object that are of this kind.
  static Mapper controllers(api::Gvk kind);

  void enqueue(const api::Key& key);
  void enqueue_after(const api::Key& key, rt::Duration delay);

  // Writes the status of `changed`; nothing where it is that of `before`, or the object is gone.
  rt::Task<Result<void>> write_status(api::Gvr resource, api::Object before, api::Json changed);

  // Runs tasks side by side; returns when all have ended.
  rt::Task<> run_all(std::vector<rt::Task<>> tasks);

  void event(const api::Object& about, std::string type, std::string reason, std::string message);

  Context& context() { return context_; }
  client::Client& client() { return client_; }
  rt::Clock& clock() { return context_.clock; }
  client::Expectations& expectations() { return expectations_; }
  const client::Expectations& expectations() const { return expectations_; }
  const Log& log() const { return log_; }

 private:
  struct Join;
  static rt::Task<> joined(std::shared_ptr<Join> join, rt::Task<> task);
  rt::Task<> work();
  rt::Task<> handle(std::string text);

  Context& context_;
  std::string name_;
  int workers_;
  client::Client& client_;
  client::WorkQueue queue_;
  client::EventRecorder recorder_;
  client::Expectations expectations_;
  Log log_{"controller"};
};

// The key behind a queue's text, and back.
std::string queue_text(const api::Key& key);
api::Key key_of_text(std::string_view text);

}  // namespace mk::controller
