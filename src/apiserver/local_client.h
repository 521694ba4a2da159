#pragma once

#include <memory>

#include "auth/authorizer.h"
#include "http/virtual_resources.h"
#include "mk/client/client.h"
#include "registry/registry.h"
#include "resources/resource_table.h"

namespace mk::apiserver {

// The in-process transport: the same authorization, admission and validation as over HTTPS, without a socket
// and without JSON text; objects are the cache's own.
std::unique_ptr<client::Client> make_local_client(Registry& registry, const ResourceTable& table,
                                                  VirtualResources& virtuals, Authorizer& authorizer,
                                                  UserInfo user, std::string field_manager);

}  // namespace mk::apiserver
