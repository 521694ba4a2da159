#pragma once

#include <string>

#include "cli/io.h"
#include "cluster/session.h"

namespace mk::kubectl {

struct RemoteOptions {
  bool input = false, tty = false;
};

// Runs the exec or attach at `target` over v5.channel.k8s.io until it ends; the remote command's exit code.
// Standard input comes from descriptor 0, the outputs go to io.
Result<int> run_remote(Session& session, std::string target, RemoteOptions options, Io& io);

// What the status frame at the end of a session means: the exit code, or why there is none.
Result<int> exit_code_from_status(std::string_view status_json);

}  // namespace mk::kubectl
