#pragma once

#include <string_view>

namespace mk::api {

std::string_view embedded_schema();
std::string_view embedded_discovery();
// Message -> field -> [number, label, type], and message -> scalar fields whose zero differs from "unset".
std::string_view embedded_protobuf();

// "io.k8s.api.networking.v1beta1.IPAddress", "v1alpha2": nothing a stock cluster serves by default.
bool is_prerelease(std::string_view name);

}  // namespace mk::api
