#include "pods/image_puller.h"

#include <fmt/core.h>

#include "env/environment.h"
#include "mk/api/resource.h"
#include "mk/base/strings.h"
#include "pods/events.h"
#include "status/container_status.h"

namespace mk::kubelet {

namespace {

std::string registry_of(std::string_view image) {
  const auto slash = image.find('/');
  const auto first = image.substr(0, slash == std::string_view::npos ? 0 : slash);
  const bool host = first == "localhost" || first.find_first_of(".:") != std::string_view::npos;
  return host ? std::string(first) : "docker.io";
}

// "https://index.docker.io/v1/" and "docker.io" are the same registry.
std::string normal_registry(std::string_view key) {
  for (std::string_view scheme : {"https://", "http://"})
    if (key.substr(0, scheme.size()) == scheme) key.remove_prefix(scheme.size());
  std::string host(key.substr(0, key.find('/')));
  if (host == "index.docker.io" || host == "registry-1.docker.io") return "docker.io";
  return host;
}

RegistryAuth parse_auth(const Json& entry) {
  RegistryAuth out{std::string(api::str(entry, "username")), std::string(api::str(entry, "password")),
                   std::string(api::str(entry, "identitytoken"))};
  if (!out.username.empty()) return out;
  const auto plain = base64_decode(api::str(entry, "auth")).value_or("");
  const auto colon = plain.find(':');
  if (colon == std::string::npos) return out;
  out.username = plain.substr(0, colon);
  out.password = plain.substr(colon + 1);
  return out;
}

}  // namespace

bool valid_image_name(std::string_view image) {
  if (image.empty() || image.front() == '/' || image.back() == '/' || image.back() == ':') return false;
  const auto at = image.find('@');
  const auto name = image.substr(0, at);
  const auto colon = name.rfind(':'), slash = name.rfind('/');
  const bool tagged = colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  std::string_view path = tagged ? name.substr(0, colon) : name;
  const auto host = registry_of(path);
  if (path.substr(0, host.size()) == host) path.remove_prefix(host.size());  // a host may have capitals
  for (const char c : path)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '/'))
      return false;
  if (path.find("//") != std::string_view::npos) return false;
  for (const char c : image)
    if (c <= ' ' || c == 0x7f) return false;
  return true;
}

std::vector<RegistryAuth> registry_auths(const api::Object& secret, std::string_view image) {
  std::vector<RegistryAuth> out;
  const auto data = object_data(
      secret.kind().empty() ? secret.with([](Json& json) { json.as_object()["kind"] = "Secret"; }) : secret);
  const auto modern = data.find(".dockerconfigjson"), old = data.find(".dockercfg");
  const auto* content = modern != data.end() ? &modern->second : old != data.end() ? &old->second : nullptr;
  if (content == nullptr) return out;
  const auto parsed = api::parse_json(*content);
  if (!parsed.ok() || !parsed->is_object()) return out;
  const auto& auths = modern != data.end() ? api::object(*parsed, "auths") : parsed->get_object();
  const std::string registry = registry_of(image);
  for (const auto& entry : auths)
    if (normal_registry(std::string_view(entry.key().data(), entry.key().size())) == registry)
      out.push_back(parse_auth(entry.value()));
  return out;
}

rt::Task<std::vector<RegistryAuth>> ImagePuller::credentials(api::Object pod, std::string image) {
  std::vector<RegistryAuth> out;
  for (const Json& ref : api::list(pod.json(), "spec.imagePullSecrets")) {
    const api::Key key(std::string(pod.ns()), std::string(api::str(ref, "name")));
    auto secret = co_await context_.client.get(api::resources::kSecrets, key);
    if (!secret.ok()) {
      context_.events.pod(pod.json(), "Warning", "FailedToRetrieveImagePullSecret",
                          fmt::format("Unable to retrieve some image pull secrets ({}); attempting to pull "
                                      "the image may not succeed.",
                                      key.name));
      continue;
    }
    for (auto& auth : registry_auths(*secret, image)) out.push_back(std::move(auth));
  }
  co_return out;
}

rt::Task<ImageAnswer> ImagePuller::ensure(api::Object pod, std::string container) {
  const Json* spec = nullptr;
  for (const auto& candidate : all_containers(pod.json()))
    if (candidate.name() == container) spec = candidate.spec;
  MK_ASSERT(spec != nullptr);
  std::string image(api::str(*spec, "image")), policy(api::str(*spec, "imagePullPolicy", "IfNotPresent"));
  co_return co_await ensure_image(std::move(pod), std::move(image), std::move(policy), std::move(container));
}

rt::Task<ImageAnswer> ImagePuller::ensure_image(api::Object pod, std::string image, std::string policy,
                                                std::string container) {
  const auto now = context_.clock.now();
  if (!valid_image_name(image)) {
    const auto message = fmt::format(
        "Failed to apply default image tag \"{}\": couldn't parse image name: invalid reference format",
        image);
    context_.events.pod(pod.json(), "Warning", "InspectFailed", message, container);
    co_return ImageWait{{"InvalidImageName", message}, now + std::chrono::minutes(5)};
  }
  auto present = context_.runtime.images->find(image);
  if (present && policy != "Always") {
    context_.events.pod(
        pod.json(), "Normal", "Pulled",
        fmt::format("Container image \"{}\" already present on machine and can be accessed by the pod",
                    image),
        container);
    co_return std::move(*present);
  }
  if (policy == "Never") {
    const auto message =
        fmt::format("Container image \"{}\" is not present with pull policy of Never", image);
    context_.events.pod(pod.json(), "Warning", "ErrImageNeverPull", message, container);
    co_return ImageWait{{"ErrImageNeverPull", message}, now + std::chrono::seconds(30)};
  }
  co_return co_await pull(std::move(pod), std::move(container), image);
}

rt::Task<ImageAnswer> ImagePuller::pull(api::Object pod, std::string container, std::string image) {
  const auto began = context_.clock.mono();
  context_.events.pod(pod.json(), "Normal", "Pulling", fmt::format("Pulling image \"{}\"", image), container);
  auto auths = co_await credentials(pod, image);
  auto pulled = co_await context_.runtime.images->pull(image, std::move(auths));
  if (pulled.ok()) {
    backoff_.forget(image);
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(context_.clock.mono() - began).count();
    context_.events.pod(pod.json(), "Normal", "Pulled",
                        fmt::format("Successfully pulled image \"{}\" in {}ms. Image size: {} bytes.", image,
                                    ms, pulled->size),
                        container);
    co_return std::move(*pulled);
  }
  const auto now = context_.clock.now();
  backoff_.next(image, now);
  const auto message = fmt::format("Failed to pull image \"{}\": {}", image, pulled.error().message());
  context_.events.pod(pod.json(), "Warning", "Failed", message, container);
  context_.events.pod(pod.json(), "Warning", "Failed", "Error: ErrImagePull", container);
  co_return ImageWait{{"ErrImagePull", message}, now + backoff_.delay(image)};
}

}  // namespace mk::kubelet
