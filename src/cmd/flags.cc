#include "mk/cmd/flags.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "mk/base/files.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"

namespace mk::cmd {
namespace {

constexpr Log kLog("cmd");

Error bad(const std::string& text) {
  return Error(Reason::kInvalid, text);
}

std::string variable_of(const std::string& name) {
  std::string out = "MK_";
  for (char c : name)
    out.push_back(c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c));
  return out;
}

// The values of one YAML node as text; a list gives several.
Result<std::vector<std::string>> texts_of(const std::string& key, const YAML::Node& node) {
  std::vector<std::string> out;
  if (node.IsScalar()) {
    out.push_back(node.Scalar());
  } else if (node.IsSequence()) {
    for (const auto& item : node) {
      if (!item.IsScalar()) return bad(key + ": a list of plain values is expected");
      out.push_back(item.Scalar());
    }
  } else if (!node.IsNull()) {
    return bad(key + ": a value or a list is expected");
  }
  return out;
}

}  // namespace

FlagSet& FlagSet::text(std::string name, std::string& target, std::string help) {
  auto set = [&target](const std::string& value) -> Result<void> { return target = value, ok(); };
  flags_.push_back(Flag{std::move(name), Flag::Kind::kText, std::move(help), std::move(set), nullptr});
  return *this;
}

FlagSet& FlagSet::number(std::string name, int& target, std::string help) {
  auto set = [&target, name](const std::string& value) -> Result<void> {
    const auto number = parse_int(value);
    if (!number || *number < 0 || *number > 1'000'000'000)
      return bad("--" + name + " needs a number, not \"" + value + "\"");
    target = static_cast<int>(*number);
    return ok();
  };
  flags_.push_back(Flag{std::move(name), Flag::Kind::kNumber, std::move(help), std::move(set), nullptr});
  return *this;
}

FlagSet& FlagSet::boolean(std::string name, bool& target, std::string help) {
  auto set = [&target, name](const std::string& value) -> Result<void> {
    if (value != "true" && value != "false")
      return bad("--" + name + " is true or false, not \"" + value + "\"");
    target = value == "true";
    return ok();
  };
  flags_.push_back(Flag{std::move(name), Flag::Kind::kBool, std::move(help), std::move(set), nullptr});
  return *this;
}

FlagSet& FlagSet::list(std::string name, std::vector<std::string>& target, std::string help) {
  auto set = [&target](const std::string& value) -> Result<void> {
    for (const auto part : split(value, ',')) {
      if (!trim(part).empty()) target.emplace_back(trim(part));
    }
    return ok();
  };
  auto clear = [&target] { target.clear(); };
  flags_.push_back(
      Flag{std::move(name), Flag::Kind::kList, std::move(help), std::move(set), std::move(clear)});
  return *this;
}

FlagSet& FlagSet::values(std::string name, std::vector<std::string>& target, std::string help) {
  auto set = [&target](const std::string& value) -> Result<void> {
    target.push_back(value);
    return ok();
  };
  auto clear = [&target] { target.clear(); };
  flags_.push_back(
      Flag{std::move(name), Flag::Kind::kList, std::move(help), std::move(set), std::move(clear)});
  return *this;
}

FlagSet& FlagSet::alias(std::string spelling, std::string name) {
  aliases_[std::move(spelling)] = std::move(name);
  return *this;
}

Flag* FlagSet::find(const std::string& name) {
  const auto alias = aliases_.find(name);
  const std::string& wanted = alias == aliases_.end() ? name : alias->second;
  const auto found =
      std::find_if(flags_.begin(), flags_.end(), [&](const Flag& flag) { return flag.name == wanted; });
  return found == flags_.end() ? nullptr : &*found;
}

Result<void> FlagSet::read_config(const std::string& path) {
  std::vector<std::string> files;
  if (file_exists(path)) files.push_back(path);
  std::vector<std::string> drop_ins;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path + ".d", ignored)) {
    if (entry.path().extension() == ".yaml" || entry.path().extension() == ".yml")
      drop_ins.push_back(entry.path());
  }
  std::sort(drop_ins.begin(), drop_ins.end());
  files.insert(files.end(), drop_ins.begin(), drop_ins.end());
  for (const auto& file : files) {
    MK_ASSIGN(const std::string text, read_file(file));
    MK_TRY(read_config_text(file, text));
  }
  return ok();
}

Result<void> FlagSet::read_config_text(const std::string& path, const std::string& text) {
  YAML::Node root;
  try {
    root = YAML::Load(text);
  } catch (const YAML::Exception& error) {
    return bad(path + ": " + error.what());
  }
  if (root.IsNull()) return ok();
  if (!root.IsMap()) return bad(path + ": a map of flag names to values is expected");
  for (const auto& pair : root) {
    std::string key = pair.first.as<std::string>("");
    const bool append = !key.empty() && key.back() == '+';
    if (append) key.pop_back();
    Flag* flag = find(key);
    if (flag == nullptr) {
      kLog.warn("unknown key in the config file", "file", path, "key", key);
      continue;
    }
    MK_ASSIGN(const auto values, texts_of(path + ": " + key, pair.second));
    if (flag->clear && !append) flag->clear();
    for (const auto& value : values) {
      if (auto set = flag->set(value); !set.ok()) return std::move(set).error().wrap(path);
    }
  }
  return ok();
}

Result<void> FlagSet::read_environment() {
  for (Flag& flag : flags_) {
    const char* value = std::getenv(variable_of(flag.name).c_str());
    if (value == nullptr) continue;
    if (flag.clear) flag.clear();
    if (auto set = flag.set(value); !set.ok()) return std::move(set).error().wrap(variable_of(flag.name));
  }
  return ok();
}

Result<void> FlagSet::read_arguments(const std::vector<std::string>& arguments,
                                     std::vector<std::string>& positional) {
  std::vector<const Flag*> cleared;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument.size() < 2 || argument[0] != '-') {
      positional.push_back(argument);
      continue;
    }
    const auto equals = argument.find('=');
    const std::string spelled = argument.substr(0, equals);
    Flag* flag = find(spelled.starts_with("--") ? spelled.substr(2) : spelled);
    if (flag == nullptr) return bad("unknown flag " + spelled + "; --help lists them all");
    std::string value = "true";
    if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (flag->kind != Flag::Kind::kBool) {
      if (i + 1 == arguments.size()) return bad(spelled + " needs a value");
      value = arguments[++i];
    }
    // The command line's list replaces the file's, but may itself be given in several flags.
    if (flag->clear && std::find(cleared.begin(), cleared.end(), flag) == cleared.end()) {
      flag->clear();
      cleared.push_back(flag);
    }
    MK_TRY(flag->set(value));
  }
  return ok();
}

std::string FlagSet::help() const {
  std::string out;
  for (const Flag& flag : flags_) {
    std::string head = "  --" + flag.name;
    if (flag.kind == Flag::Kind::kText) head += " TEXT";
    if (flag.kind == Flag::Kind::kNumber) head += " N";
    if (flag.kind == Flag::Kind::kList) head += " A,B";
    head.resize(std::max<std::size_t>(head.size() + 2, 36), ' ');
    out += head + flag.help + "\n";
  }
  return out;
}

}  // namespace mk::cmd
