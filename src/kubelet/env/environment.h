#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "env/downward.h"
#include "mk/api/object.h"
#include "mk/kubelet/runtime.h"

namespace mk::kubelet {

using Variables = std::map<std::string, std::string>;

// "$(NAME)" by the variable's value, "$$" by "$"; unknown names are left as they stand.
std::string expand(std::string_view text, const Variables& variables);

struct EnvironmentInputs {
  DownwardInputs downward;
  std::vector<api::Object> services;  // of the cluster; the pod's namespace and default/kubernetes are used
  Variables image;                    // the image's own environment
  // ConfigMaps and Secrets the container refers to, by "configmaps/<name>" and "secrets/<name>"; absent: not
  // there.
  std::map<std::string, api::Object> objects;
};

// What a container's environment refers to, as keys of EnvironmentInputs::objects.
std::vector<std::string> referenced_objects(const Json& container);

// The complete environment. kInvalid is a CreateContainerConfigError: the message says what is missing.
Result<Variables> make_environment(const Json& container, const EnvironmentInputs& inputs);

// A ConfigMap's or Secret's data decoded: text, binaryData and base64 alike.
std::map<std::string, std::string> object_data(const api::Object& object);

// Entrypoint and arguments: `command` replaces the image's both, `args` its arguments alone.
std::vector<std::string> make_argv(const Json& container, const ImageInfo& image, const Variables& variables);

}  // namespace mk::kubelet
