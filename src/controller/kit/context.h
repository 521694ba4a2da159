#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "mk/api/resource.h"
#include "mk/client/client.h"
#include "mk/client/event_recorder.h"
#include "mk/client/informer.h"
#include "mk/controller/manager.h"
#include "mk/rt/clock.h"
#include "mk/rt/group.h"
#include "mk/rt/loop.h"
#include "mk/rt/random.h"

namespace mk::controller {

// The informers of the process: one per resource, whoever asks. Everything is wired before start().
class InformerFactory {
 public:
  InformerFactory(client::Client& client, rt::Clock& clock, rt::Random& random);

  client::Informer& informer(const api::Gvr& resource);
  // Adds an index unless the informer has one of that name; every user of a name must mean the same function.
  client::Informer& indexed(const api::Gvr& resource, const std::string& name,
                            client::Informer::IndexFunction function);

  void start(rt::Group& group);
  rt::Task<> wait_synced();

 private:
  client::Client& client_;
  rt::Clock& clock_;
  rt::Random& random_;
  std::map<api::Gvr, std::unique_ptr<client::Informer>> informers_;
  std::set<std::pair<api::Gvr, std::string>> indexes_;
};

// What every controller of a manager shares.
struct Context {
  Context(rt::Loop& loop, rt::Clock& clock_, rt::Random& random_, ClientFor client_for_,
          ManagerOptions options_);

  rt::Clock& clock;
  rt::Random& random;
  ClientFor client_for;
  ManagerOptions options;
  InformerFactory informers;
  rt::Group group;  // every task of every controller; after the informers, which must outlive it
};

// Index of objects by what owns them: the uid of the controller, or orphans(ns) for objects without one, so
// that a controller finds its own and those it may adopt without a walk over the namespace.
inline const std::string kByController = "controller";
std::string orphans(std::string_view ns);
std::vector<std::string> controller_index(const api::Object& object);

// Names of the identities that controllers act as (ManagerOptions: client_for).
inline const std::string kSharedInformers = "kube-controller-manager";

}  // namespace mk::controller
