#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>

#include "mk/client/informer.h"
#include "mk/rt/group.h"
#include "mk/rt/loop.h"

namespace mk::kubelet {

// Watches single ConfigMaps and Secrets, each once however many pods use it, and only while somebody does: a
// node may read what its pods mount, never whole namespaces.
class ObjectWatcher {
  struct Entry;

 public:
  using Listener = std::function<void()>;

  // One user's interest; ends when destroyed.
  class Lease {
   public:
    ~Lease();
    bool known() const;          // the first answer has come: object() tells
    api::Object object() const;  // empty: there is none

   private:
    friend class ObjectWatcher;
    Lease(ObjectWatcher& owner, std::shared_ptr<Entry> entry, std::list<Listener>::iterator listener);
    ObjectWatcher& owner_;
    std::shared_ptr<Entry> entry_;
    std::list<Listener>::iterator listener_;
  };

  ObjectWatcher(rt::Loop& loop, client::Client& client, rt::Clock& clock, rt::Random& random);
  ~ObjectWatcher();

  // `listener` runs when the first answer comes and on every change.
  std::unique_ptr<Lease> watch(api::Gvr resource, api::Key key, Listener listener);
  std::size_t size() const { return entries_.size(); }
  // Ends every watch; no lease may be used afterwards.
  rt::Task<> stop();

 private:
  void release(const std::shared_ptr<Entry>& entry);
  static rt::Task<> announce(std::shared_ptr<Entry> entry);
  static rt::Task<> retire(std::shared_ptr<Entry> entry);

  rt::Loop& loop_;
  client::Client& client_;
  rt::Clock& clock_;
  rt::Random& random_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;
  rt::Group retiring_;
};

}  // namespace mk::kubelet
