#include <cstdint>

#include "mk/api/patch.h"

// The first byte chooses the kind of patch, the rest is the patch of a small Pod.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mk::api;
  static const Json pod =
      parse_json(R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","labels":{"a":"b"}},
    "spec":{"containers":[{"name":"c","image":"i","ports":[{"containerPort":1}]}],"tolerations":[{"key":"k"}]}})")
          .value();
  static const Type& type = *builtin_schema().type(Gvk{"", "v1", "Pod"});
  if (size == 0) return 0;
  const auto patch = parse_json({reinterpret_cast<const char*>(data + 1), size - 1});
  if (!patch.ok()) return 0;
  if (data[0] % 4 == 0) (void)apply_json_patch(pod, *patch).ok();
  if (data[0] % 4 == 1) (void)apply_merge_patch(pod, *patch).ok();
  if (data[0] % 4 == 2) (void)apply_strategic_merge_patch(type, pod, *patch).ok();
  ApplyOptions options;
  options.manager = "m";
  options.api_version = "v1";
  options.now = "2026-01-01T00:00:00Z";
  if (data[0] % 4 == 3) (void)server_side_apply(type, &pod, *patch, options).ok();
  return 0;
}
