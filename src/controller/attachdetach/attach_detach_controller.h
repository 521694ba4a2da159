#pragma once

#include "kit/controller.h"

namespace mk::controller {

// Asks for volumes to be attached to the nodes whose pods use them: one VolumeAttachment for each volume of a
// CSI driver that needs attaching and each such node. Drivers' own attachers do the work. Detached when no
// pod on the node has the volume any more: a kubelet deletes its pods only after their volumes are unmounted,
// so a pod that is gone uses nothing. (A node that died keeps its volumes until its pods are deleted by
// force.)
//
// Keys are nodes.
class AttachDetachController : public Controller {
 public:
  explicit AttachDetachController(Context& context);

 private:
  rt::Task<Result<void>> reconcile(api::Key key) override;
  // The volumes that pods of the node use, by name of the attachment.
  std::map<std::string, api::Object> wanted(const std::string& node);
  bool made_here(const api::Object& attachment);
  Keys nodes_of_claim(const api::Object& claim);

  client::Informer& pods_;
  client::Informer& claims_;
  client::Informer& volumes_;
  client::Informer& drivers_;
  client::Informer& attachments_;
};

}  // namespace mk::controller
