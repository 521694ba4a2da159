#pragma once

#include <deque>
#include <map>
#include <string>

#include "mk/client/client.h"
#include "mk/rt/clock.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "pods/pod_view.h"

namespace mk::kubelet {

// Writes v1 Events: repeated ones count up instead of piling up. Never makes anybody wait; what does not fit
// the queue or cannot be written is dropped.
class EventRecorder {
 public:
  EventRecorder(client::Client& client, rt::Clock& clock, std::string node_name);

  void start(rt::Group& group);
  // `container` names the container it is about, "" for the pod itself. `type` is Normal or Warning.
  void pod(const Json& pod, std::string_view type, std::string_view reason, std::string message,
           std::string_view container = {});
  void node(std::string_view type, std::string_view reason, std::string message);

 private:
  struct Seen {
    std::string name;
    std::int64_t count = 0;
    std::string first;
  };
  struct Pending {
    std::string key, ns;
    Json involved;
    std::string type, reason, message;
    rt::WallTime when;
  };

  void push(Pending event);
  rt::Task<> run();
  rt::Task<> write(Pending event);
  Json make_event(const Pending& event, const Seen& seen) const;

  client::Client& client_;
  rt::Clock& clock_;
  std::string node_name_;
  std::deque<Pending> queue_;
  rt::Event changed_;
  std::map<std::string, Seen> seen_;
};

}  // namespace mk::kubelet
