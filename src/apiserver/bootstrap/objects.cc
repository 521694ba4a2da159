#include "bootstrap/objects.h"

#include <string_view>

#include "mk/base/assert.h"

extern "C" const char mk_apiserver_objects_begin[];
extern "C" const char mk_apiserver_objects_end[];

namespace mk::apiserver {

std::vector<api::Json> bootstrap_objects() {
  const std::string_view text(mk_apiserver_objects_begin,
                              mk_apiserver_objects_end - mk_apiserver_objects_begin);
  auto parsed = api::parse_yaml_documents(text);
  MK_ASSERT(parsed.ok());
  for (auto& object : *parsed) {
    if (api::str(object, "apiVersion") != "flowcontrol.apiserver.k8s.io/v1") continue;
    api::JsonObject annotations;
    annotations["apf.kubernetes.io/autoupdate-spec"] = "true";
    api::set(object, "metadata.annotations", std::move(annotations));
  }
  return std::move(parsed).value();
}

}  // namespace mk::apiserver
