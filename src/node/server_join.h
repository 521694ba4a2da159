#pragma once

#include "mk/apiserver/servers.h"
#include "mk/node/options.h"
#include "mk/pki/certificate.h"
#include "process.h"

namespace mk::node {

// Asks options.join for what the cluster's servers share, and keeps it (take_secrets). With a data directory
// that has it already, asks nobody. Waits for a server that is not there yet.
rt::Task<Result<void>> fetch_secrets(Process& process, Options& options);

// Asks options.join to take this server in; `admin` is a certificate for system:masters.
rt::Task<Result<void>> ask_to_be_added(Process& process, const Options& options, std::string ca_pem,
                                       pki::KeyPair admin, apiserver::ServerInfo self);

}  // namespace mk::node
