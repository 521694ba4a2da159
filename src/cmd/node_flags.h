#pragma once

#include "mk/cmd/flags.h"
#include "mk/node/options.h"

namespace mk::cmd {

// The settings of a server or agent from config file, environment and command line.
class NodeFlags {
 public:
  NodeFlags();
  Result<void> read(std::vector<std::string> arguments);

  const node::Options& options() const { return options_; }
  const std::vector<std::string>& positional() const { return positional_; }
  bool wants_help() const { return help_; }
  std::string help() const { return flags_.help(); }
  FlagSet& flags() { return flags_; }

 private:
  node::Options options_;
  FlagSet flags_;
  std::string config_ = "/etc/mk/config.yaml";
  std::string token_file_;
  bool help_ = false;
  std::vector<std::string> positional_;
};

}  // namespace mk::cmd
