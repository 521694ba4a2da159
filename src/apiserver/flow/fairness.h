#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "cacher/cacher.h"
#include "flow/flow_schema.h"
#include "flow/priority_level.h"

namespace mk::apiserver {

// API priority and fairness (KEP-1040): which requests run now, which wait, which are turned away. Follows
// the FlowSchemas and PriorityLevelConfigurations of the cluster; the seats of levels that need few are lent
// to those that need more, anew every ten seconds.
class Fairness {
 public:
  // `seats`: how many requests may run at once, all levels together (Kubernetes: 400 reads and 200 writes).
  Fairness(Cacher& cacher, rt::Clock& clock, int seats = 600);

  struct Class {
    std::shared_ptr<const FlowSchema> schema;
    std::shared_ptr<PriorityLevel> level;
  };
  const Class& classify(const UserInfo& user, const RequestInfo& info);
  // How many seats a request takes: a list takes more, the more there is to list.
  int seats_of(const RequestInfo& info, const PriorityLevel& level) const;
  // Watches, logs, proxied and upgraded connections hold no seat.
  static bool is_long_running(const RequestInfo& info);

  // For how long a request waits at most: a quarter of the 60 seconds it may take.
  static constexpr auto kPatience = std::chrono::seconds(15);

  void share_out();             // the seats, by the demand since the last time
  rt::Task<> keep_sharing();    // every ten seconds
  std::string metrics() const;  // in Prometheus' text format

  // For the schemas' status: wakes when a schema or a level was changed.
  rt::Task<> changed() { return changed_.wait(); }
  void refresh() {
    if (stale_) rebuild();
  }
  bool has_level(const std::string& name) const { return levels_.count(name) > 0; }

 private:
  Class match(const UserInfo& user, const RequestInfo& info);
  void follow(const api::Gvr& gvr);
  void rebuild();

  Cacher& cacher_;
  rt::Clock& clock_;
  const int seats_;
  bool stale_ = true;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::vector<std::shared_ptr<const FlowSchema>> schemas_;  // by precedence
  std::map<std::string, std::shared_ptr<PriorityLevel>> levels_;
  // What was matched since the last change, by all that matching looks at. Most requests are like one before.
  std::unordered_map<std::string, Class> known_;
  std::string key_;
  rt::Event changed_;
};

}  // namespace mk::apiserver
