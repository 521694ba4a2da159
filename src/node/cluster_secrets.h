#pragma once

#include <string>

#include "mk/node/options.h"
#include "server_files.h"

namespace mk::node {

// What every server of a cluster shares, as JSON: its CAs with their keys, the key that signs service
// accounts, the join tokens, its id and its networks. Secret: it goes over verified TLS to who knows the
// server token.
std::string share_secrets(const ServerFiles& files, const Options& options);

// Puts a cluster's secrets into the data directory of a server that joins, before load_server_files(), and
// its networks into `options`. kConflict when the directory holds another cluster already.
Result<void> take_secrets(const std::string& shared, Options& options);

}  // namespace mk::node
