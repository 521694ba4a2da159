#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "images/fs.h"
#include "mk/base/result.h"
#include "mk/rt/event.h"
#include "mk/rt/fd.h"
#include "mk/rt/group.h"

namespace mk::kubelet {

// The agent's end of a connection to a pod's supervisor (supervisor/protocol.h has the messages).
class PodLink {
 public:
  struct Answer {
    std::vector<std::string> results;
    UniqueFd fd;
  };

  // Blocking for a moment. An error when nobody listens: the supervisor is gone.
  static Result<std::unique_ptr<PodLink>> connect(rt::Executor executor, const std::string& pod_folder);
  ~PodLink();  // who still waits gets an error

  // Both are called on the loop; set them before listen().
  std::function<void(std::vector<std::string> fields)> on_event;
  std::function<void()> on_closed;  // by the other side
  void listen(rt::Group& group);    // starts reading

  // kInternalError with the supervisor's text when it says no, kServiceUnavailable when it is gone.
  rt::Task<Result<Answer>> request(std::vector<std::string> fields, std::vector<int> fds = {});
  bool closed() const;

 private:
  struct State;
  explicit PodLink(std::shared_ptr<State> state) : state_(std::move(state)) {}
  static rt::Task<> read_loop(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace mk::kubelet
