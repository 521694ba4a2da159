#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mk/base/result.h"

namespace mk::kubectl {

// Flags as kubectl's parser (pflag) reads them: --name value, --name=value, -n value, -nvalue, -n=value,
// clusters of boolean shorthands (-it), "--" ends the flags, flags and positional arguments mix.
class Flags {
 public:
  using Setter = std::function<Result<void>(const std::string&)>;

  Flags& text(std::string name, char shorthand, std::string& target);
  Flags& number(std::string name, char shorthand, std::int64_t& target);
  Flags& boolean(std::string name, char shorthand, bool& target);
  Flags& list(std::string name, char shorthand,
              std::vector<std::string>& target);  // split at commas, repeatable
  Flags& array(std::string name, char shorthand,
               std::vector<std::string>& target);  // repeatable, taken whole
  // The value may be left out: `--name` alone means `implied`.
  Flags& optional_text(std::string name, char shorthand, std::string& target, std::string implied);
  // Accepted, and of no effect here.
  Flags& ignored(std::string name, char shorthand, bool takes_value);

  struct Parsed {
    std::vector<std::string> positional;
    std::optional<std::size_t> dash;  // how many of them stood before "--"
  };
  // "unknown flag: --x", "flag needs an argument: --x", `invalid argument "x" for "-n, --namespace" flag:
  // ...`
  Result<Parsed> parse(const std::vector<std::string>& arguments) const;
  // Stops at the first positional argument and leaves the rest in `rest`: for `kubectl exec POD command -x`.
  Result<Parsed> parse_until_positional(const std::vector<std::string>& arguments,
                                        std::size_t positional_max) const;

  // The index of the first positional argument; flags this set does not know are taken to have no value
  // unless written with "=". What cobra does to find the command.
  std::optional<std::size_t> first_positional(const std::vector<std::string>& arguments) const;

 private:
  struct Flag {
    std::string name;
    char shorthand;
    std::optional<std::string> implied;  // the value when none is written
    Setter set;
  };
  const Flag* find(std::string_view name) const;
  const Flag* find(char shorthand) const;
  Result<void> apply(const Flag& flag, const std::string& value) const;
  Result<void> parse_long(const std::vector<std::string>& arguments, std::size_t& at) const;
  Result<void> parse_short(const std::vector<std::string>& arguments, std::size_t& at) const;
  Flags& add(Flag flag);

  std::vector<Flag> flags_;
};

}  // namespace mk::kubectl
