#pragma once

#include "registry/strategies/fields.h"

// The rules of a Service's spec. Its clusters are single-stack IPv4.
namespace mk::apiserver {

bool needs_cluster_ip(const api::Json& spec);
bool needs_node_ports(const api::Json& spec);
bool needs_health_check_port(const api::Json& spec);
bool externally_accessible(const api::Json& spec);
bool is_headless(const api::Json& spec);

void default_service_spec(api::Json& spec);
// An update that does not name what the server allocated keeps it; a change of type sheds what the new type
// does not have.
void keep_allocated(api::Json& spec, const api::Json& old);
void shed_type_fields(api::Json& spec, const api::Json& old);

void validate_service_spec(const api::Json& spec, const Path& path, Report& report);
void validate_service_update(const api::Json& spec, const api::Json& old, const Path& path, Report& report);

}  // namespace mk::apiserver
