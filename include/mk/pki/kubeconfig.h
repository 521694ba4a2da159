#pragma once

#include <string>
#include <string_view>

#include "mk/base/result.h"

namespace mk::pki {

// One cluster, user and context of a kubeconfig file. PEM in the clear here; base64 in the file.
struct Kubeconfig {
  std::string name = "mk";  // of cluster, user and context
  std::string server;       // "https://127.0.0.1:6443"
  std::string ca_pem, client_certificate_pem, client_key_pem, token;
  std::string tls_server_name;  // the name to expect in the server's certificate, if not the host of `server`
  std::string ns;               // the context's namespace
  bool insecure = false;        // insecure-skip-tls-verify
};
std::string write_kubeconfig(const Kubeconfig& config);
// The current context (or the named one), with files it points to read in. kInvalid says what is missing.
// Input is YAML or JSON. Relative paths in it start at `base_dir`, the folder of the kubeconfig file.
Result<Kubeconfig> parse_kubeconfig(std::string_view text, std::string_view context = {},
                                    const std::string& base_dir = {});

}  // namespace mk::pki
