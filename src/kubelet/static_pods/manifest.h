#pragma once

#include <string>
#include <string_view>

#include "mk/base/result.h"
#include "mk/rt/clock.h"
#include "pods/pod_view.h"

// Static pods: pods of a node's own folder, which run whatever the API says, and their mirrors, which show
// them in the API. Pure.
namespace mk::kubelet {

inline constexpr std::string_view kConfigSource = "kubernetes.io/config.source";
inline constexpr std::string_view kConfigMirror = "kubernetes.io/config.mirror";
inline constexpr std::string_view kConfigHash = "kubernetes.io/config.hash";
inline constexpr std::string_view kConfigSeen = "kubernetes.io/config.seen";

// The pod that the manifest at `path` describes, complete: with defaults, "-<node>" behind its name, and as
// its uid a hash of node, path and content, so that a changed manifest is another pod. kInvalid: no pod, or
// one that needs other objects of the API.
Result<Json> make_static_pod(std::string_view manifest, const std::string& path, const std::string& node,
                             rt::WallTime now);

// What shows a static pod in the API. `node` is the Node, which owns it.
Json make_mirror(const Json& static_pod, const Json& node);

bool is_static(const Json& pod);  // read from a folder
bool is_mirror(const Json& pod);
// Does the mirror show this very manifest?
bool shows(const Json& mirror, const Json& static_pod);

// The pod with what its mirror remembers of its containers: how often they were started outlives the kubelet,
// and a manifest that went and came back.
Json with_past(const Json& static_pod, const Json& mirror);

// The pod as if it had been deleted gracefully at `now`.
Json deleted_at(const Json& static_pod, rt::WallTime now);

}  // namespace mk::kubelet
