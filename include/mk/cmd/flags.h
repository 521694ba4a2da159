#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "mk/base/result.h"

namespace mk::cmd {

// One setting: a flag, a key of the config file, and an environment variable (MK_<NAME>), all of the same
// name.
struct Flag {
  enum class Kind { kText, kNumber, kBool, kList };
  std::string name;  // "data-dir"
  Kind kind;
  std::string help;
  std::function<Result<void>(const std::string&)> set;  // kList: called for each element
  std::function<void()> clear;                          // kList: before a stronger source sets it anew
};

// Values in the order of their sources: the file is weakest, then the environment, then the command line. A
// list of a stronger source replaces the weaker one's; a config key with a "+" behind it appends.
class FlagSet {
 public:
  FlagSet& text(std::string name, std::string& target, std::string help);
  FlagSet& number(std::string name, int& target, std::string help);
  FlagSet& boolean(std::string name, bool& target, std::string help);
  FlagSet& list(std::string name, std::vector<std::string>& target, std::string help);
  // A list whose elements may have commas: given one at a time.
  FlagSet& values(std::string name, std::vector<std::string>& target, std::string help);
  // Another spelling of a flag ("-d" for "data-dir").
  FlagSet& alias(std::string spelling, std::string name);

  // Unknown keys are ignored with a warning, as a file serves servers and agents alike.
  Result<void> read_config(const std::string& path);  // and <path>.d/*.yaml in order; need not exist
  Result<void> read_environment();
  // `positional` gets what is no flag. kInvalid: unknown flag, missing or bad value.
  Result<void> read_arguments(const std::vector<std::string>& arguments,
                              std::vector<std::string>& positional);
  std::string help() const;

 private:
  Flag* find(const std::string& name);
  Result<void> read_config_text(const std::string& path, const std::string& text);
  std::vector<Flag> flags_;
  std::map<std::string, std::string> aliases_;
};

}  // namespace mk::cmd
