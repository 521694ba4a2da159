#pragma once

#include <map>
#include <set>

#include "kit/controller.h"

namespace mk::controller {

// Takes away pods that nobody else will: on nodes that no longer exist, being deleted but never scheduled,
// and finished ones beyond a number. Looks around every 20 seconds; a vanished node has to stay away for two
// looks.
class PodGcController : public Controller {
 public:
  explicit PodGcController(Context& context);
  void start() override;

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  rt::Task<Result<void>> remove(api::Object pod, bool failed);

  client::Informer& pods_;
  client::Informer& nodes_;
  std::map<std::string, rt::MonoTime> missing_;  // nodes that pods name and that are not there, since when
};

// Finished pods to delete: all but the newest `keep`, oldest first. Pure.
std::vector<api::Object> excess_finished(std::vector<api::Object> pods, std::size_t keep);

}  // namespace mk::controller
