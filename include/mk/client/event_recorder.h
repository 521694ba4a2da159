#pragma once

#include <memory>
#include <string>

#include "mk/client/client.h"
#include "mk/rt/clock.h"
#include "mk/rt/group.h"

namespace mk::client {

// Writes Events (core/v1) about objects. Never waits and never fails: an event that cannot be written is
// lost, as are those beyond the limits (25 at once about one object by one component, then one in five
// minutes). The same event within ten minutes counts up the one that is there.
class EventRecorder {
 public:
  // `component` and `host` make the source: ("kubelet", "node-1"), ("deployment-controller", "").
  EventRecorder(Client& client, rt::Clock& clock, rt::Group& group, std::string component, std::string host);
  ~EventRecorder();

  void normal(const api::Object& about, std::string reason, std::string message);
  void warning(const api::Object& about, std::string reason, std::string message);
  // `involved`: an ObjectReference (kind, namespace, name, uid, apiVersion, fieldPath); type: Normal,
  // Warning.
  void record(api::Json involved, std::string type, std::string reason, std::string message);

  // What `involved` above is for an object, or for a part of it ("spec.containers{web}").
  static api::Json reference(const api::Object& object, const std::string& field_path = {});

 private:
  struct State;
  static rt::Task<> run(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace mk::client
