#include "mk/pki/kubeconfig.h"

#include "fuzz/target.h"
#include "mk/base/assert.h"

// What was understood can be written and read again. Files are looked for in a folder that is not there.
MK_FUZZ_TARGET(kubeconfig, input) {
  using namespace mk::pki;
  if (input.find('/') != std::string_view::npos && input.find(": /") != std::string_view::npos) return;
  const auto config = parse_kubeconfig(input, {}, "/nonexistent");
  if (!config.ok()) return;
  const auto again = parse_kubeconfig(write_kubeconfig(*config), {}, "/nonexistent");
  MK_ASSERT(again.ok() && again->server == config->server && again->token == config->token);
}
