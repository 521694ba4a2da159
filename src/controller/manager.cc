#include "mk/controller/manager.h"

#include "admissionpolicy/status_controller.h"
#include "attachdetach/attach_detach_controller.h"
#include "certificates/certificate_controllers.h"
#include "clusterroleaggregation/clusterroleaggregation_controller.h"
#include "cronjob/cronjob_controller.h"
#include "daemonset/daemonset_controller.h"
#include "deployment/deployment_controller.h"
#include "disruption/disruption_controller.h"
#include "endpointslice/endpointslice_controller.h"
#include "endpointslicemirroring/endpointslicemirroring_controller.h"
#include "ephemeralvolume/ephemeral_volume_controller.h"
#include "garbagecollector/garbage_collector.h"
#include "job/job_controller.h"
#include "kit/controller.h"
#include "localpath/provisioner.h"
#include "namespace/namespace_controller.h"
#include "nodeipam/nodeipam_controller.h"
#include "nodelifecycle/node_lifecycle_controller.h"
#include "nodelifecycle/taint_eviction_controller.h"
#include "podautoscaler/podautoscaler_controller.h"
#include "podgc/pod_gc_controller.h"
#include "replicaset/replicaset_controller.h"
#include "serviceaccount/serviceaccount_controller.h"
#include "servicecidrs/servicecidrs_controller.h"
#include "statefulset/statefulset_controller.h"
#include "ttlafterfinished/ttl_after_finished_controller.h"
#include "volume/binder.h"
#include "volume/protection.h"

namespace mk::controller {
namespace {

class ManagerImpl : public Manager {
 public:
  ManagerImpl(rt::Loop& loop, rt::Clock& clock, rt::Random& random, ClientFor client_for,
              ManagerOptions options)
      : context_(loop, clock, random, std::move(client_for), std::move(options)) {
    add<NamespaceController>();
    add<ServiceAccountController>();
    add<RootCaPublisher>();
    add<NodeIpamController>();
    add<NodeLifecycleController>();
    add<TaintEvictionController>();
    add<ReplicaSetController>(ReplicaSetController::replica_sets());
    add<ReplicaSetController>(ReplicaSetController::replication_controllers());
    add<DeploymentController>();
    add<StatefulSetController>();
    add<DaemonSetController>();
    add<JobController>();
    add<CronJobController>();
    add<TtlAfterFinishedController>();
    add<EndpointSliceController>();
    add<EndpointsController>();
    add<EndpointSliceMirroringController>();
    add<ClusterRoleAggregationController>();
    add<ServiceCidrsController>();
    add<CertificateApprover>();
    add<CertificateSigner>();
    add<CertificateCleaner>();
    add<DisruptionController>();
    add<StaleDisruptionController>();
    add<VolumeBinder>();
    add<ClaimProtection>();
    add<VolumeProtection>();
    add<AttachDetachController>();
    add<PodAutoscalerController>();
    add<EphemeralVolumeController>();
    add<LocalPathClass>();
    add<LocalPathProvisioner>();
    add<PodGcController>();
    add<AdmissionPolicyStatusController>();
    add<GarbageCollector>();
  }

  rt::Task<> start() override {
    context_.informers.start(context_.group);
    co_await context_.informers.wait_synced();
    for (auto& controller : controllers_) controller->start();
  }

  rt::Task<> stop() override { co_await context_.group.stop(); }

 private:
  template <class C, class... Arguments>
  void add(Arguments... arguments) {
    controllers_.push_back(std::make_unique<C>(context_, std::move(arguments)...));
  }

  Context context_;
  std::vector<std::unique_ptr<Controller>> controllers_;
};

}  // namespace

std::unique_ptr<Manager> make_manager(rt::Loop& loop, rt::Clock& clock, rt::Random& random,
                                      ClientFor client_for, ManagerOptions options) {
  return std::make_unique<ManagerImpl>(loop, clock, random, std::move(client_for), std::move(options));
}

}  // namespace mk::controller
