#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "mk/net/client.h"
#include "mk/rt/event.h"
#include "mk/rt/group.h"
#include "resource_metrics/readings.h"

namespace mk::apiserver {

// Asks kubelets what is used, when somebody wants to know and at most every few seconds: nothing runs while
// nobody asks. A mean needs two looks; where the last one is too old, a second follows at once.
class MetricsScraper {
 public:
  using Kubelets = std::function<Result<net::HttpClient*>(const std::string& node)>;
  // `kubelets` and `clock` must outlive the group's tasks.
  MetricsScraper(rt::Clock& clock, rt::Group& group, Kubelets kubelets)
      : clock_(clock), group_(group), kubelets_(std::move(kubelets)) {}

  // Until what is known of these nodes is new; those that do not answer are left as they are.
  rt::Task<> refresh(std::set<std::string> nodes);

  std::optional<Usage> node(const std::string& name) const;
  // By container; empty: nothing is known of the pod, or not of all its containers.
  std::map<std::string, Usage> pod(const std::string& node, const std::string& ns,
                                   const std::string& name) const;
  // Forgets nodes that are no more.
  void keep(const std::set<std::string>& nodes);

 private:
  struct Node {
    std::optional<NodeReadings> before, latest;
    rt::MonoTime looked;
    bool known = false, busy = false;
  };
  // Asks no more than so many kubelets at a time.
  static constexpr std::size_t kAtOnce = 32;

  rt::Task<> look(std::string name);
  rt::Task<bool> look_once(std::string name);
  bool fresh(const Node& node) const;

  rt::Clock& clock_;
  rt::Group& group_;
  Kubelets kubelets_;
  std::map<std::string, Node> nodes_;
  std::size_t running_ = 0;
  rt::Event done_;
};

}  // namespace mk::apiserver
