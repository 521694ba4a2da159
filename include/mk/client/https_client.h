#pragma once

#include <memory>

#include "mk/client/client.h"
#include "mk/net/client.h"

namespace mk::client {

// The HTTPS transport. Speaks JSON; `http` must outlive it. `user_agent` doubles as default field manager.
std::unique_ptr<Client> make_https_client(net::HttpClient& http, std::string user_agent);

// A non-2xx answer as the Error it describes: its metav1.Status if the body is one, else the bare code.
Error error_from_response(int status, std::string_view body);

// "/api/v1/namespaces/x/pods/y/status", "/apis/apps/v1/deployments" ...
std::string resource_path(const api::Gvr& resource, const std::string& ns, const std::string& name,
                          const std::string& subresource);

}  // namespace mk::client
