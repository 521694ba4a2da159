#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "mk/client/client.h"
#include "mk/rt/clock.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "mk/rt/random.h"

namespace mk::client {

// A local copy of one resource, kept up to date by list and watch: lists with back-off, resumes after broken
// watches without missing or repeating a change, lists again on 410. Objects are shared handles.
class Informer {
 public:
  // What changed: `before` is empty for an addition, `after` for a deletion.
  using Handler = std::function<void(const api::Object& before, const api::Object& after)>;
  // The index values of an object, e.g. the uid of its controller.
  using IndexFunction = std::function<std::vector<std::string>(const api::Object&)>;

  // `client` and the doors must outlive the informer, and the informer the group it runs in.
  Informer(Client& client, rt::Clock& clock, rt::Random& random, api::Gvr resource, std::string ns,
           ListOptions filter);
  ~Informer();

  // Before start(). Handlers run on the loop, one change at a time, in the order of the watch; a re-list
  // delivers differences only.
  void on_change(Handler handler);
  void add_index(std::string name, IndexFunction function);

  void start(rt::Group& group);
  bool synced() const { return synced_; }
  rt::Task<> wait_synced();

  // Empty object when absent.
  api::Object get(const api::Key& key) const;
  std::vector<api::Object> all() const;
  std::vector<api::Object> in_namespace(const std::string& ns) const;
  std::vector<api::Object> by_index(const std::string& index, const std::string& value) const;
  std::size_t size() const { return objects_.size(); }
  const api::Gvr& resource() const { return resource_; }

 private:
  struct Index {
    IndexFunction function;
    std::unordered_map<std::string, std::set<api::Key>> keys;
  };

  rt::Task<> run();
  rt::Task<Result<void>> list();
  rt::Task<Error> watch();
  bool go_on_at_once(const Error& ended, rt::Duration lasted);
  rt::Task<> pause();
  rt::Task<> replace_all(std::vector<api::Object> items);
  void apply(const WatchEvent& event);
  void put(api::Object object);
  void erase(const api::Key& key);
  void notify(const api::Object& before, const api::Object& after);
  void unindex(const api::Object& object);
  void index(const api::Object& object);

  Client& client_;
  rt::Clock& clock_;
  rt::Random& random_;
  api::Gvr resource_;
  std::string ns_;
  ListOptions filter_;
  std::map<api::Key, api::Object> objects_;  // ordered: a namespace is a range, and iteration repeats itself
  std::unordered_map<std::string, Index> indexes_;
  std::vector<Handler> handlers_;
  std::string version_;    // seen up to here; "" needs a list
  rt::Duration delay_{0};  // before the next attempt, after a failure
  bool expired_ = false;   // the next list must not come from an old cache
  bool relisted_at_once_ = false;
  bool synced_ = false;
  rt::Event synced_event_;
};

}  // namespace mk::client
