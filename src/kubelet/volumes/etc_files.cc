#include "volumes/etc_files.h"

#include <fmt/core.h>

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::kubelet {

namespace {

constexpr std::size_t kNameserversMax = 3;
constexpr std::size_t kHostnameMax = 63;

struct Resolver {
  std::vector<std::string> servers, searches, options;
};

void add_unique(std::vector<std::string>& out, std::string value) {
  if (std::find(out.begin(), out.end(), value) == out.end()) out.push_back(std::move(value));
}

Resolver parse_resolver(const std::string& content) {
  Resolver out;
  for (const auto line : split(content, '\n')) {
    std::vector<std::string> words;
    const std::string blanks = replace_all(std::string(trim(line)), "\t", " ");
    for (const auto word : split(blanks, ' '))
      if (!word.empty()) words.emplace_back(word);
    if (words.size() < 2) continue;
    const std::vector<std::string> values(words.begin() + 1, words.end());
    if (words[0] == "nameserver")
      out.servers.push_back(values[0]);
    else if (words[0] == "search" || words[0] == "domain")
      out.searches = values;
    else if (words[0] == "options")
      out.options.insert(out.options.end(), values.begin(), values.end());
  }
  return out;
}

// A later option of a name replaces an earlier one.
void set_option(std::vector<std::string>& options, const std::string& name, const std::string& value) {
  std::erase_if(options, [&](const std::string& have) {
    return have == name || have.compare(0, name.size() + 1, name + ":") == 0;
  });
  options.push_back(value.empty() ? name : name + ":" + value);
}

void apply_dns_config(Resolver& out, const Json& pod) {
  for (const Json& server : api::list(pod, "spec.dnsConfig.nameservers"))
    add_unique(out.servers, text_of(&server));
  for (const Json& search : api::list(pod, "spec.dnsConfig.searches"))
    add_unique(out.searches, text_of(&search));
  for (const Json& option : api::list(pod, "spec.dnsConfig.options"))
    set_option(out.options, std::string(api::str(option, "name")), std::string(api::str(option, "value")));
}

}  // namespace

std::string pod_hostname(const Json& pod, const KubeletOptions& options) {
  if (const auto forced = api::str(pod, "spec.hostnameOverride"); !forced.empty()) return std::string(forced);
  if (host_network(pod)) return options.hostname.empty() ? options.node_name : options.hostname;
  std::string name(api::str(pod, "spec.hostname", api::str(pod, "metadata.name")));
  if (name.size() > kHostnameMax) {
    name.resize(kHostnameMax);
    while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  }
  return name;
}

std::string make_hosts(const Json& pod, const KubeletOptions& options, const std::vector<std::string>& ips,
                       const std::string& node_hosts) {
  std::string out;
  if (host_network(pod)) {
    out = "# Kubernetes-managed hosts file (host network).\n" + node_hosts;
  } else {
    out =
        "# Kubernetes-managed hosts file.\n"
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\n"
        "fe00::0\tip6-mcastprefix\n"
        "fe00::1\tip6-allnodes\n"
        "fe00::2\tip6-allrouters\n";
    const std::string name = pod_hostname(pod, options);
    const auto subdomain = api::str(pod, "spec.subdomain");
    for (const auto& ip : ips) {
      if (subdomain.empty())
        out += fmt::format("{}\t{}\n", ip, name);
      else
        out += fmt::format("{}\t{}.{}.{}.svc.{}\t{}\n", ip, name, subdomain,
                           api::str(pod, "metadata.namespace"), options.cluster_domain, name);
    }
  }
  const auto& aliases = api::list(pod, "spec.hostAliases");
  if (!aliases.empty()) out += "\n# Entries added by HostAliases.\n";
  for (const Json& alias : aliases) {
    out += api::str(alias, "ip");
    for (const Json& name : api::list(alias, "hostnames")) out += "\t" + text_of(&name);
    out += "\n";
  }
  return out;
}

std::string make_resolv_conf(const Json& pod, const KubeletOptions& options,
                             const std::string& node_resolv_conf) {
  auto policy = api::str(pod, "spec.dnsPolicy", "ClusterFirst");
  if (policy == "ClusterFirst" && host_network(pod)) policy = "Default";
  const bool cluster =
      (policy == "ClusterFirst" || policy == "ClusterFirstWithHostNet") && !options.cluster_dns.empty();
  Resolver out;
  if (policy != "None") out = parse_resolver(node_resolv_conf);
  if (cluster) {
    const std::string domain = options.cluster_domain;
    std::vector<std::string> searches{fmt::format("{}.svc.{}", api::str(pod, "metadata.namespace"), domain),
                                      "svc." + domain, domain};
    for (auto& search : out.searches) add_unique(searches, std::move(search));
    out.searches = std::move(searches);
    out.servers.clear();
    for (const auto server : split(options.cluster_dns, ',')) out.servers.emplace_back(trim(server));
    set_option(out.options, "ndots", "5");
  }
  apply_dns_config(out, pod);
  if (out.servers.size() > kNameserversMax) out.servers.resize(kNameserversMax);
  std::string content;
  if (!out.searches.empty()) content += "search " + join(out.searches, " ") + "\n";
  for (const auto& server : out.servers) content += "nameserver " + server + "\n";
  if (!out.options.empty()) content += "options " + join(out.options, " ") + "\n";
  return content;
}

}  // namespace mk::kubelet
