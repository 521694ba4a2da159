#include "registry/strategies/volumes.h"

#include <fmt/format.h>

#include "mk/api/quantity.h"
#include "registry/strategies/claims.h"
#include "registry/strategies/names.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::int64_t kFileMode = 0644;
constexpr std::string_view kModeRange = "must be a number between 0 and 0777 (octal), both inclusive";

void default_downward_items(Json& source) {
  auto* items = edit_list(source, "items");
  if (items == nullptr) return;
  for (auto& item : *items) {
    if (Json* ref = edit(item, "fieldRef")) default_text(*ref, "apiVersion", "v1");
    if (Json* ref = edit(item, "resourceFieldRef")) default_to(*ref, "divisor", api::text("0"));
  }
}

void default_projected(Json& projected) {
  default_to(projected, "defaultMode", kFileMode);
  auto* sources = edit_list(projected, "sources");
  if (sources == nullptr) return;
  for (auto& source : *sources) {
    if (Json* token = edit(source, "serviceAccountToken")) default_to(*token, "expirationSeconds", 3600);
    if (Json* downward = edit(source, "downwardAPI")) default_downward_items(*downward);
  }
}

void default_volume(Json& volume) {
  if (!volume.is_object()) return;
  bool has_source = false;
  for (const auto& field : volume.get_object())
    has_source = has_source || (field.key() != "name" && !field.value().is_null());
  if (!has_source) volume.get_object()["emptyDir"] = api::JsonObject();
  for (const auto name : {"secret", "configMap", "downwardAPI"}) {
    if (Json* source = edit(volume, name)) default_to(*source, "defaultMode", kFileMode);
  }
  if (Json* downward = edit(volume, "downwardAPI")) default_downward_items(*downward);
  if (Json* projected = edit(volume, "projected")) default_projected(*projected);
  if (Json* host_path = edit(volume, "hostPath")) default_to(*host_path, "type", api::text(""));
  if (Json* claim = edit(volume, "ephemeral.volumeClaimTemplate.spec")) default_claim_spec(*claim);
}

void check_mode(const Json& object, std::string_view field, const Path& path, Report& report) {
  const auto mode = api::num(object, field);
  if (mode < 0 || mode > 0777) report.invalid(path.child(field), mode, kModeRange);
}

void check_volume_file_path(std::string_view text, const Path& path, Report& report) {
  if (text.empty()) return report.required(path);
  check_local_path(text, path, report);
  if (text.starts_with("..") && !text.starts_with("../") && text != "..") {
    report.invalid(path, text, "must not start with '..'");
  }
}

void validate_items(const Json& source, const Path& path, Report& report) {
  const auto& items = api::list(source, "items");
  const Path items_path = path.child("items");
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Path item_path = items_path[i];
    if (api::str(items[i], "key").empty()) report.required(item_path.child("key"));
    check_volume_file_path(api::str(items[i], "path"), item_path.child("path"), report);
    check_mode(items[i], "mode", item_path, report);
  }
}

void validate_downward(const Json& source, const Path& path, Report& report) {
  const auto& items = api::list(source, "items");
  for (const auto& item : items) {
    // Kubernetes names the volume source here, not the item.
    check_volume_file_path(api::str(item, "path"), path.child("path"), report);
    const Json* field = api::find(item, "fieldRef");
    const Json* resource = api::find(item, "resourceFieldRef");
    if (field != nullptr) {
      validate_field_ref(*field, false, path.child("fieldRef"), report);
      if (resource != nullptr) {
        report.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
      }
    } else if (resource != nullptr) {
      validate_resource_field_ref(*resource, false, path.child("resourceFieldRef"), report);
    } else {
      report.required(path, "one of fieldRef and resourceFieldRef is required");
    }
    check_mode(item, "mode", path, report);
  }
}

void validate_token_projection(const Json& token, const Path& path, Report& report) {
  const auto seconds = api::num(token, "expirationSeconds", 3600);
  if (seconds < 600)
    report.invalid(path.child("expirationSeconds"), seconds, "may not be less than 10 minutes");
  if (seconds > (std::int64_t{1} << 32)) {
    report.invalid(path.child("expirationSeconds"), seconds, "may not be larger than 2^32 seconds");
  }
  check_volume_file_path(api::str(token, "path"), path.child("path"), report);
}

// The files that one source of a projected volume makes, as far as they are named in the manifest.
void gather_projected_paths(const Json& source, std::vector<std::string_view>& paths) {
  for (const auto name : {"secret", "configMap", "downwardAPI"}) {
    const Json* part = api::member(source, name);
    if (part == nullptr) continue;
    for (const auto& item : api::list(*part, "items")) paths.push_back(api::str(item, "path"));
  }
  for (const auto name : {"serviceAccountToken.path", "clusterTrustBundle.path"}) {
    if (const auto path = api::str(source, name); !path.empty()) paths.push_back(path);
  }
}

void validate_projected_source(const Json& source, const Path& path, Report& report) {
  int count = 0;
  for (const std::string_view name : {"secret", "configMap", "downwardAPI", "serviceAccountToken",
                                      "clusterTrustBundle", "podCertificate"}) {
    const Json* part = api::member(source, name);
    if (part == nullptr) continue;
    const Path part_path = path.child(name);
    if (++count > 1) {
      report.forbidden(part_path, "may not specify more than 1 volume type per source");
    } else if (name == "secret" || name == "configMap") {
      if (api::str(*part, "name").empty()) report.required(part_path.child("name"));
      validate_items(*part, part_path, report);
    } else if (name == "downwardAPI") {
      validate_downward(*part, part_path, report);
    } else if (name == "serviceAccountToken") {
      validate_token_projection(*part, part_path, report);
    }
  }
  if (count == 0) report.required(path, "must specify at least one volume source type");
}

void validate_projected(const Json& projected, const Path& path, Report& report) {
  check_mode(projected, "defaultMode", path, report);
  const auto& sources = api::list(projected, "sources");
  const Path sources_path = path.child("sources");
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Path source_path = sources_path[i];
    validate_projected_source(sources[i], source_path, report);
    std::vector<std::string_view> files;
    gather_projected_paths(sources[i], files);
    for (const auto file : files) {
      if (!seen.insert(file).second) report.invalid(path, file, "conflicting duplicate paths");
    }
  }
}

void validate_host_path(const Json& source, const Path& path, Report& report) {
  if (api::str(source, "path").empty()) return report.required(path.child("path"));
  check_no_backsteps(api::str(source, "path"), path.child("path"), report);
  check_enum(
      source, "type",
      {"", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"},
      path, report, Presence::kOptional);
}

void validate_files_of(const Json& source, std::string_view name_field, const Path& path, Report& report) {
  if (api::str(source, name_field).empty()) report.required(path.child(name_field));
  check_mode(source, "defaultMode", path, report);
  validate_items(source, path, report);
}

void validate_nfs(const Json& source, const Path& path, Report& report) {
  if (api::str(source, "server").empty()) report.required(path.child("server"));
  if (api::str(source, "path").empty()) {
    report.required(path.child("path"));
  } else if (!api::str(source, "path").starts_with('/')) {
    report.invalid(path.child("path"), api::str(source, "path"), "must be an absolute path");
  }
}

void validate_source(std::string_view name, const Json& source, const Path& path, Report& report) {
  if (name == "emptyDir") {
    const Json* limit = api::find(source, "sizeLimit");
    const auto size = limit ? api::Quantity::parse(text_of(*limit)) : api::Quantity();
    if (size.ok() && *size < api::Quantity()) {
      report.forbidden(path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
    }
  } else if (name == "hostPath") {
    validate_host_path(source, path, report);
  } else if (name == "secret") {
    validate_files_of(source, "secretName", path, report);
  } else if (name == "configMap") {
    validate_files_of(source, "name", path, report);
  } else if (name == "downwardAPI") {
    check_mode(source, "defaultMode", path, report);
    validate_downward(source, path, report);
  } else if (name == "projected") {
    validate_projected(source, path, report);
  } else if (name == "persistentVolumeClaim") {
    if (api::str(source, "claimName").empty()) report.required(path.child("claimName"));
  } else if (name == "nfs") {
    validate_nfs(source, path, report);
  } else if (name == "csi") {
    if (api::str(source, "driver").empty()) report.required(path.child("driver"));
  } else if (name == "image") {
    check_enum(source, "pullPolicy", {"Always", "IfNotPresent", "Never"}, path, report, Presence::kOptional);
  } else if (name == "ephemeral") {
    const Json* claim = api::find(source, "volumeClaimTemplate");
    const Path claim_path = path.child("volumeClaimTemplate");
    if (claim == nullptr) return report.required(claim_path);
    if (const Json* spec = api::find(*claim, "spec"))
      validate_claim_spec(*spec, claim_path.child("spec"), report);
  }
}

void validate_volume_source(const Json& volume, const Path& path, Report& report) {
  int count = 0;
  if (!volume.is_object()) return;
  for (const auto& field : volume.get_object()) {
    if (field.key() == "name" || field.value().is_null()) continue;
    const Path source_path = path.child(field.key());
    if (++count > 1) {
      report.forbidden(source_path, "may not specify more than 1 volume type");
    } else {
      validate_source(field.key(), field.value(), source_path, report);
    }
  }
  if (count == 0) report.required(path, "must specify a volume type");
}

}  // namespace

void default_volumes(api::JsonArray& volumes) {
  for (auto& volume : volumes) default_volume(volume);
}

VolumesByName validate_volumes(const api::JsonArray& volumes, const Path& path, Report& report) {
  VolumesByName by_name;
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    const Path volume_path = path[i];
    validate_volume_source(volumes[i], volume_path, report);
    const auto name = api::str(volumes[i], "name");
    if (name.empty()) {
      report.required(volume_path.child("name"));
    } else if (const auto wrong = api::check_dns1123_label(name); !wrong.empty()) {
      report.invalid(volume_path.child("name"), name, wrong);
    } else if (!by_name.emplace(name, &volumes[i]).second) {
      report.duplicate(volume_path.child("name"), name);
    }
  }
  return by_name;
}

}  // namespace mk::apiserver
