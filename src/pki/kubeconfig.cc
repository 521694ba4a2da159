#include "mk/pki/kubeconfig.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::pki {
namespace {

bool is_plain(std::string_view text) {
  if (text.empty() || !std::isalpha(static_cast<unsigned char>(text[0])) || text.back() == ':') return false;
  for (std::string_view word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
    if (to_lower(text) == word) return false;
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || std::string_view("-._/:@").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

// A YAML scalar: plain when that cannot be misread, else double-quoted.
std::string scalar(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', static_cast<char>(c)};
    } else if (c < 0x20) {
      out += "\\x" + hex(std::string_view(reinterpret_cast<const char*>(&c), 1));
    } else {
      out += static_cast<char>(c);
    }
  }
  return out + "\"";
}

Error missing(const std::string& what) {
  return Error(Reason::kInvalid, "kubeconfig: " + what);
}

// The scalar at `key`, "" when absent or something else.
std::string text_of(const YAML::Node& node, const char* key) {
  if (!node.IsMap()) return {};
  const auto value = node[key];
  return value && value.IsScalar() ? value.Scalar() : std::string();
}

// The `body` of the entry with this name in one of the three lists.
Result<YAML::Node> entry(const YAML::Node& root, const char* list, const char* body,
                         const std::string& name) {
  const YAML::Node entries = root[list];
  if (entries && entries.IsSequence()) {
    for (const auto& item : entries) {
      if (text_of(item, "name") != name) continue;
      const YAML::Node found = item[body];
      return found && found.IsMap() ? found : YAML::Node(YAML::NodeType::Map);
    }
  }
  return missing(std::string("no entry \"") + name + "\" in " + list);
}

// `name`-data in base64, or else the content of the file that `name` points to. The data win, as in kubectl.
Result<std::string> data_or_file(const YAML::Node& node, const std::string& name,
                                 const std::string& base_dir) {
  const std::string data = text_of(node, (name + "-data").c_str());
  if (!data.empty()) {
    auto decoded = base64_decode(data);
    if (!decoded) return missing(name + "-data is not base64");
    return std::move(*decoded);
  }
  std::string path = text_of(node, name.c_str());
  if (path.empty()) return std::string();
  if (path[0] != '/' && !base_dir.empty()) path = base_dir + "/" + path;
  auto content = read_file(path);
  if (!content) return std::move(content).error().wrap("kubeconfig: " + name);
  return content;
}

Result<void> read_user(const YAML::Node& user, const std::string& base_dir, Kubeconfig& out) {
  MK_ASSIGN(out.client_certificate_pem, data_or_file(user, "client-certificate", base_dir));
  MK_ASSIGN(out.client_key_pem, data_or_file(user, "client-key", base_dir));
  if (out.client_certificate_pem.empty() != out.client_key_pem.empty())
    return missing("client-certificate and client-key must both be given");
  out.token = text_of(user, "token");
  std::string file = text_of(user, "tokenFile");
  if (out.token.empty() && !file.empty()) {
    if (file[0] != '/' && !base_dir.empty()) file = base_dir + "/" + file;
    auto content = read_file(file);
    if (!content) return std::move(content).error().wrap("kubeconfig: tokenFile");
    out.token = trim(*content);
  }
  return ok();
}

Result<Kubeconfig> read_config(const YAML::Node& root, std::string_view context,
                               const std::string& base_dir) {
  if (!root.IsMap()) return missing("the file is no mapping");
  const std::string name = context.empty() ? text_of(root, "current-context") : std::string(context);
  if (name.empty()) return missing("current-context is not set");
  MK_ASSIGN(const YAML::Node chosen, entry(root, "contexts", "context", name));
  MK_ASSIGN(const YAML::Node cluster, entry(root, "clusters", "cluster", text_of(chosen, "cluster")));
  Kubeconfig out;
  out.name = name;
  out.ns = text_of(chosen, "namespace");
  out.server = text_of(cluster, "server");
  if (out.server.empty()) return missing("cluster \"" + text_of(chosen, "cluster") + "\" has no server");
  out.tls_server_name = text_of(cluster, "tls-server-name");
  out.insecure = text_of(cluster, "insecure-skip-tls-verify") == "true";
  MK_ASSIGN(out.ca_pem, data_or_file(cluster, "certificate-authority", base_dir));
  const std::string user_name = text_of(chosen, "user");
  if (user_name.empty()) return out;
  MK_ASSIGN(const YAML::Node user, entry(root, "users", "user", user_name));
  MK_TRY(read_user(user, base_dir, out));
  return out;
}

}  // namespace

std::string write_kubeconfig(const Kubeconfig& config) {
  const std::string name = scalar(config.name);
  std::string out = "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n";
  const auto put = [&](const char* key, const std::string& value) {
    out += std::string("    ") + key + ": " + value + "\n";
  };
  if (!config.ca_pem.empty()) put("certificate-authority-data", base64_encode(config.ca_pem));
  if (config.insecure) put("insecure-skip-tls-verify", "true");
  put("server", scalar(config.server));
  if (!config.tls_server_name.empty()) put("tls-server-name", scalar(config.tls_server_name));
  out += "  name: " + name + "\ncontexts:\n- context:\n";
  put("cluster", name);
  if (!config.ns.empty()) put("namespace", scalar(config.ns));
  put("user", name);
  out += "  name: " + name + "\ncurrent-context: " + name + "\nusers:\n- name: " + name + "\n";
  if (config.client_certificate_pem.empty() && config.token.empty()) return out + "  user: {}\n";
  out += "  user:\n";
  if (!config.client_certificate_pem.empty()) {
    put("client-certificate-data", base64_encode(config.client_certificate_pem));
    put("client-key-data", base64_encode(config.client_key_pem));
  }
  if (!config.token.empty()) put("token", scalar(config.token));
  return out;
}

Result<Kubeconfig> parse_kubeconfig(std::string_view text, std::string_view context,
                                    const std::string& base_dir) {
  try {
    return read_config(YAML::Load(std::string(text)), context, base_dir);
  } catch (const YAML::Exception& error) {
    return missing(std::string("not YAML: ") + error.what());
  }
}

}  // namespace mk::pki
