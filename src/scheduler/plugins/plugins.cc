#include "plugins/plugins.h"

namespace mk::scheduler {

// In the order in which they filter: cheap and decisive ones first.
Plugins default_plugins(VolumeBook* book) {
  Plugins made;
  made.push_back(plugins::make_node_unschedulable());
  made.push_back(plugins::make_node_name());
  made.push_back(plugins::make_taint_toleration());
  made.push_back(plugins::make_node_affinity());
  made.push_back(plugins::make_node_ports());
  made.push_back(plugins::make_node_resources_fit());
  if (book != nullptr) {
    made.push_back(plugins::make_volume_restrictions(*book));
    made.push_back(plugins::make_volume_binding(*book));
  }
  made.push_back(plugins::make_pod_topology_spread());
  made.push_back(plugins::make_inter_pod_affinity());
  made.push_back(plugins::make_balanced_allocation());
  made.push_back(plugins::make_image_locality());
  return made;
}

}  // namespace mk::scheduler
