#pragma once

#include <map>
#include <string>

#include "registry/strategies/fields.h"

namespace mk::apiserver {

// Of each volume: no source means emptyDir; modes of files are 0644; and so on.
void default_volumes(api::JsonArray& volumes);

// By name; what mounts are checked against.
using VolumesByName = std::map<std::string_view, const api::Json*>;
VolumesByName validate_volumes(const api::JsonArray& volumes, const Path& path, Report& report);

// volumeMounts and volumeDevices of a container.
void validate_mounts(const api::Json& container, const VolumesByName& volumes, const Path& path,
                     Report& report);

// A fieldRef or resourceFieldRef, of env or of a downward API file.
void validate_field_ref(const api::Json& ref, bool of_env, const Path& path, Report& report);
void validate_resource_field_ref(const api::Json& ref, bool of_env, const Path& path, Report& report);

}  // namespace mk::apiserver
