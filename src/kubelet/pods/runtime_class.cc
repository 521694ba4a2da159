#include "pods/runtime_class.h"

#include <fmt/core.h>

namespace mk::kubelet {

rt::Task<Result<std::string>> runtime_handler(Context& context, api::Object pod) {
  static const api::Gvr kRuntimeClasses{"node.k8s.io", "v1", "runtimeclasses"};
  const std::string name(api::str(pod.json(), "spec.runtimeClassName"));
  if (name.empty()) co_return std::string();
  const api::Key key("", name);
  auto found = co_await context.client.get(kRuntimeClasses, key);
  if (found.ok()) co_return std::string(api::str(found->json(), "handler"));
  if (found.error().is(Reason::kNotFound))
    co_return Error(Reason::kNotFound, fmt::format("RuntimeClass \"{}\" not found", name));
  co_return std::move(found).error();
}

}  // namespace mk::kubelet
