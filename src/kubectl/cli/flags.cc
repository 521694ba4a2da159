#include "cli/flags.h"

#include <fmt/format.h>

#include "mk/base/strings.h"

namespace mk::kubectl {

namespace {

Error usage(std::string message) {
  return Error(Reason::kBadRequest, std::move(message));
}

Result<void> set_bool(const std::string& value, bool& target) {
  for (std::string_view yes : {"true", "1", "t", "T", "TRUE", "True"}) {
    if (value == yes) return target = true, ok();
  }
  for (std::string_view no : {"false", "0", "f", "F", "FALSE", "False"}) {
    if (value == no) return target = false, ok();
  }
  return usage(fmt::format("strconv.ParseBool: parsing \"{}\": invalid syntax", value));
}

}  // namespace

Flags& Flags::add(Flag flag) {
  flags_.push_back(std::move(flag));
  return *this;
}

Flags& Flags::text(std::string name, char shorthand, std::string& target) {
  return add({std::move(name), shorthand, std::nullopt,
              [&target](const std::string& value) { return target = value, ok(); }});
}

Flags& Flags::number(std::string name, char shorthand, std::int64_t& target) {
  const auto set = [&target](const std::string& value) -> Result<void> {
    const auto parsed = parse_int(value);
    if (!parsed) return usage(fmt::format("strconv.ParseInt: parsing \"{}\": invalid syntax", value));
    target = *parsed;
    return ok();
  };
  return add({std::move(name), shorthand, std::nullopt, set});
}

Flags& Flags::boolean(std::string name, char shorthand, bool& target) {
  return add({std::move(name), shorthand, "true",
              [&target](const std::string& value) { return set_bool(value, target); }});
}

Flags& Flags::list(std::string name, char shorthand, std::vector<std::string>& target) {
  const auto set = [&target](const std::string& value) {
    for (const auto part : split(value, ',')) target.emplace_back(part);
    return ok();
  };
  return add({std::move(name), shorthand, std::nullopt, set});
}

Flags& Flags::array(std::string name, char shorthand, std::vector<std::string>& target) {
  return add({std::move(name), shorthand, std::nullopt,
              [&target](const std::string& value) { return target.push_back(value), ok(); }});
}

Flags& Flags::optional_text(std::string name, char shorthand, std::string& target, std::string implied) {
  return add({std::move(name), shorthand, std::move(implied),
              [&target](const std::string& value) { return target = value, ok(); }});
}

Flags& Flags::ignored(std::string name, char shorthand, bool takes_value) {
  std::optional<std::string> implied;
  if (!takes_value) implied = "true";
  return add({std::move(name), shorthand, std::move(implied), [](const std::string&) { return ok(); }});
}

const Flags::Flag* Flags::find(std::string_view name) const {
  for (const Flag& flag : flags_) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

const Flags::Flag* Flags::find(char shorthand) const {
  for (const Flag& flag : flags_) {
    if (flag.shorthand != 0 && flag.shorthand == shorthand) return &flag;
  }
  return nullptr;
}

Result<void> Flags::apply(const Flag& flag, const std::string& value) const {
  auto done = flag.set(value);
  if (done.ok()) return ok();
  const std::string spelling =
      flag.shorthand ? fmt::format("-{}, --{}", flag.shorthand, flag.name) : "--" + flag.name;
  return usage(
      fmt::format("invalid argument \"{}\" for \"{}\" flag: {}", value, spelling, done.error().message()));
}

Result<void> Flags::parse_long(const std::vector<std::string>& arguments, std::size_t& at) const {
  const std::string& word = arguments[at];
  const auto equals = word.find('=');
  const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
  const Flag* flag = find(name);
  if (flag == nullptr) return usage("unknown flag: --" + name);
  if (equals != std::string::npos) return apply(*flag, word.substr(equals + 1));
  if (flag->implied) return apply(*flag, *flag->implied);
  if (at + 1 >= arguments.size()) return usage("flag needs an argument: --" + name);
  return apply(*flag, arguments[++at]);
}

Result<void> Flags::parse_short(const std::vector<std::string>& arguments, std::size_t& at) const {
  const std::string word = arguments[at];
  for (std::size_t i = 1; i < word.size(); ++i) {
    const Flag* flag = find(word[i]);
    if (flag == nullptr) return usage(fmt::format("unknown shorthand flag: '{}' in {}", word[i], word));
    const std::string rest = word.substr(i + 1);
    if (!rest.empty() && rest[0] == '=') return apply(*flag, rest.substr(1));
    if (flag->implied) {
      MK_TRY(apply(*flag, *flag->implied));
      continue;
    }
    if (!rest.empty()) return apply(*flag, rest);
    if (at + 1 >= arguments.size())
      return usage(fmt::format("flag needs an argument: '{}' in {}", word[i], word));
    return apply(*flag, arguments[++at]);
  }
  return ok();
}

Result<Flags::Parsed> Flags::parse(const std::vector<std::string>& arguments) const {
  return parse_until_positional(arguments, arguments.size());
}

Result<Flags::Parsed> Flags::parse_until_positional(const std::vector<std::string>& arguments,
                                                    std::size_t positional_max) const {
  Parsed out;
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    const std::string& word = arguments[at];
    if (word == "--" || (out.positional.size() >= positional_max && !out.positional.empty())) {
      if (word == "--") out.dash = out.positional.size(), ++at;
      out.positional.insert(out.positional.end(), arguments.begin() + static_cast<std::ptrdiff_t>(at),
                            arguments.end());
      return out;
    }
    if (word.size() < 2 || word[0] != '-') {
      out.positional.push_back(word);
    } else if (word[1] == '-') {
      MK_TRY(parse_long(arguments, at));
    } else {
      MK_TRY(parse_short(arguments, at));
    }
  }
  return out;
}

std::optional<std::size_t> Flags::first_positional(const std::vector<std::string>& arguments) const {
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    const std::string& word = arguments[at];
    if (word == "--") return std::nullopt;
    if (word.size() < 2 || word[0] != '-') return at;
    const bool is_long = word[1] == '-';
    const Flag* flag = is_long            ? find(std::string_view(word).substr(2))
                       : word.size() == 2 ? find(word[1])
                                          : nullptr;
    if (flag != nullptr && !flag->implied) ++at;
  }
  return std::nullopt;
}

}  // namespace mk::kubectl
