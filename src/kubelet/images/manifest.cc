#include "images/manifest.h"

#include <sys/utsname.h>

#include "images/digest.h"
#include "mk/api/json.h"
#include "mk/base/strings.h"

namespace mk::kubelet {
namespace {

std::vector<std::string> strings(const api::JsonArray& array) {
  std::vector<std::string> out;
  for (const auto& item : array)
    if (item.is_string()) out.emplace_back(item.get_string());
  return out;
}

Result<Descriptor> parse_descriptor(const api::Json& json) {
  Descriptor out;
  out.media_type = api::str(json, "mediaType");
  out.digest = api::str(json, "digest");
  out.size = api::num(json, "size");
  if (!valid_digest(out.digest))
    return Error(Reason::kInvalid, "the image's manifest has no valid sha256 digest");
  out.platform.os = api::str(json, "platform.os");
  out.platform.architecture = api::str(json, "platform.architecture");
  out.platform.variant = api::str(json, "platform.variant");
  if (const auto* annotations = api::member(json, "annotations"))
    for (const char* key : {"io.containerd.image.name", "org.opencontainers.image.ref.name"})
      if (const auto* name = api::member(*annotations, key); name && name->is_string() && out.name.empty())
        out.name = std::string(name->get_string());
  return out;
}

// "v7" > "v6" > ...; 0 for none. arm64's only variant is v8, which all have.
int variant_number(const Platform& platform) {
  if (platform.architecture == "arm64") return 8;
  if (platform.variant.size() == 2 && platform.variant[0] == 'v') return platform.variant[1] - '0';
  return platform.architecture == "arm" ? 7 : 0;
}

std::string text(const Platform& platform) {
  return platform.os + "/" + platform.architecture + (platform.variant.empty() ? "" : "/" + platform.variant);
}

}  // namespace

Platform host_platform() {
  utsname name{};
  ::uname(&name);
  const std::string_view machine = name.machine;
  if (machine == "x86_64") return {"linux", "amd64", ""};
  if (machine == "aarch64") return {"linux", "arm64", "v8"};
  if (machine.starts_with("armv7") || machine.starts_with("armv8")) return {"linux", "arm", "v7"};
  if (machine.starts_with("armv6")) return {"linux", "arm", "v6"};
  return {"linux", std::string(machine), ""};
}

bool is_index(std::string_view json) {
  const auto parsed = api::parse_json(json);
  return parsed.ok() && api::member(*parsed, "manifests") != nullptr;
}

Result<std::vector<Descriptor>> parse_index(std::string_view json) {
  MK_ASSIGN(const api::Json parsed, api::parse_json(json));
  std::vector<Descriptor> out;
  for (const auto& item : api::list(parsed, "manifests")) {
    MK_ASSIGN(auto descriptor, parse_descriptor(item));
    out.push_back(std::move(descriptor));
  }
  return out;
}

Result<Manifest> parse_manifest(std::string_view json) {
  MK_ASSIGN(const api::Json parsed, api::parse_json(json));
  if (api::num(parsed, "schemaVersion") == 1)
    return Error(Reason::kInvalid,
                 "the image has the obsolete manifest format v2 schema 1; push it again with a current tool");
  const auto* config = api::member(parsed, "config");
  if (config == nullptr) return Error(Reason::kInvalid, "the image's manifest has no config");
  Manifest out;
  MK_ASSIGN(out.config, parse_descriptor(*config));
  for (const auto& layer : api::list(parsed, "layers")) {
    MK_ASSIGN(auto descriptor, parse_descriptor(layer));
    out.layers.push_back(std::move(descriptor));
  }
  return out;
}

Result<ImageConfig> parse_config(std::string_view json) {
  MK_ASSIGN(const api::Json parsed, api::parse_json(json));
  if (api::find(parsed, "rootfs.diff_ids") == nullptr)
    return Error(Reason::kInvalid,
                 "this is no container image: its config lists no layers (rootfs.diff_ids)");
  ImageConfig out;
  out.platform.os = api::str(parsed, "os");
  out.platform.architecture = api::str(parsed, "architecture");
  out.platform.variant = api::str(parsed, "variant");
  out.diff_ids = strings(api::list(parsed, "rootfs.diff_ids"));
  for (const auto& id : out.diff_ids)
    if (!valid_digest(id)) return Error(Reason::kInvalid, "the image's config has an invalid diff_id");
  out.entrypoint = strings(api::list(parsed, "config.Entrypoint"));
  out.command = strings(api::list(parsed, "config.Cmd"));
  out.env = strings(api::list(parsed, "config.Env"));
  out.working_dir = api::str(parsed, "config.WorkingDir");
  out.user = api::str(parsed, "config.User");
  out.stop_signal = api::str(parsed, "config.StopSignal");
  return out;
}

Result<Descriptor> choose_platform(const std::vector<Descriptor>& manifests, const Platform& host) {
  const Descriptor* best = nullptr;
  for (const auto& candidate : manifests) {
    const auto& platform = candidate.platform;
    // An entry without platform fits anything, but one that says so fits better.
    if (platform.os.empty() && platform.architecture.empty()) {
      if (best == nullptr) best = &candidate;
      continue;
    }
    if (platform.os != host.os || platform.architecture != host.architecture) continue;
    if (variant_number(platform) > variant_number(host)) continue;
    const bool better = best == nullptr || best->platform.os.empty() ||
                        variant_number(platform) > variant_number(best->platform);
    if (better) best = &candidate;
  }
  if (best != nullptr) return *best;
  std::vector<std::string> have;
  for (const auto& candidate : manifests) have.push_back(text(candidate.platform));
  return Error(Reason::kNotFound, "no match for platform " + text(host) + " in manifest: it offers " +
                                      (have.empty() ? "none" : join(have, ", ")));
}

std::vector<std::string> chain_ids(const std::vector<std::string>& diff_ids) {
  std::vector<std::string> out;
  for (const auto& id : diff_ids) out.push_back(out.empty() ? id : sha256_digest(out.back() + " " + id));
  return out;
}

}  // namespace mk::kubelet
