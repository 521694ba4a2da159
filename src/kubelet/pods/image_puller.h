#pragma once

#include <string>
#include <variant>

#include "context.h"
#include "mk/api/object.h"
#include "pods/backoff.h"
#include "status/pod_status.h"

namespace mk::kubelet {

// Why there is no image yet, and when to try again.
struct ImageWait {
  ReasonMessage why;
  rt::WallTime retry;
};
using ImageAnswer = std::variant<ImageInfo, ImageWait>;

// Gets a container's image onto the node according to its pull policy, with events and back-off.
class ImagePuller {
 public:
  explicit ImagePuller(Context& context) : context_(context) {}
  rt::Task<ImageAnswer> ensure(api::Object pod, std::string container);
  // Any image of the pod; `container` may be "" (events are the pod's then).
  rt::Task<ImageAnswer> ensure_image(api::Object pod, std::string image, std::string policy,
                                     std::string container);

 private:
  rt::Task<ImageAnswer> pull(api::Object pod, std::string container, std::string image);
  rt::Task<std::vector<RegistryAuth>> credentials(api::Object pod, std::string image);

  Context& context_;
  Backoff backoff_;
};

// The credentials of a kubernetes.io/dockerconfigjson or dockercfg Secret that fit an image's registry.
std::vector<RegistryAuth> registry_auths(const api::Object& secret, std::string_view image);
bool valid_image_name(std::string_view image);

}  // namespace mk::kubelet
