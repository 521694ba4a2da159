#pragma once

#include "kit/controller.h"

namespace mk::controller {

// Makes the volumes of claims whose class names rancher.io/local-path, once a pod's node is known, and
// deletes them when their claims are gone and the reclaim policy says so.
//
// Only objects are made here. The directory belongs to the kubelet of its node: it makes it when the volume
// is mounted and removes it when the volume object is being deleted; the finalizer mk.io/local-path holds the
// object until then. So there are no helper pods, nobody reaches over to another machine, and data is removed
// only on a positive order of the API: a node that has lost its cluster, or joined another, removes nothing.
//
// Keys are claims, and volumes (without a namespace).
class LocalPathProvisioner : public Controller {
 public:
  explicit LocalPathProvisioner(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  rt::Task<Result<void>> provision(api::Object claim);
  rt::Task<Result<void>> choose_again(api::Object claim, std::string why);
  rt::Task<Result<void>> reclaim(api::Object volume);

  client::Informer& claims_;
  client::Informer& volumes_;
  client::Informer& classes_;
  client::Informer& nodes_;
};

// The StorageClass local-path: made at start when it is missing, as k3s does with what it packages (so a user
// may change it, and it stays changed), or removed if it is mk's own and the component is disabled.
class LocalPathClass : public Controller {
 public:
  explicit LocalPathClass(Context& context);
  void start() override;

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  client::Informer& classes_;
};

}  // namespace mk::controller
