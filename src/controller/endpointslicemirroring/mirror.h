#pragma once

#include <vector>

#include "mk/api/object.h"

// EndpointSlices that say what a hand-made Endpoints object says (KEP-752). All pure.
namespace mk::controller::mirror {

inline constexpr char kManager[] = "endpointslicemirroring-controller.k8s.io";
inline constexpr std::size_t kEndpointsMax = 1000;  // of a slice; more are not mirrored

// Endpoints of a service without a selector, unless they are a leader's lock or ask to be left alone.
bool wants_mirror(const api::Object& endpoints, const api::Object& service);

struct Changes {
  std::vector<api::Json> create, update;
  std::vector<api::Object> remove;
};
// One slice for each address family and set of ports; what exists is reused where these are the same.
Changes plan(const api::Object& endpoints, const std::vector<api::Object>& existing);

}  // namespace mk::controller::mirror
