#include "cluster_secrets.h"

#include "mk/api/json.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::node {

using api::Json;
using api::JsonObject;

namespace {

// Below <data-dir>/server; in the order in which a crash between two leaves the least confusion.
struct SharedFile {
  const char* name;
  unsigned mode;
};
constexpr SharedFile kShared[] = {
    {"tls/ca.key", 0600},
    {"tls/ca.crt", 0644},
    {"tls/peer-ca.key", 0600},
    {"tls/peer-ca.crt", 0644},
    {"tls/service-account.key", 0600},
    {"token", 0600},
    {"cluster-id", 0600},
};

struct SharedSetting {
  const char* name;
  std::string Options::*value;
};
constexpr SharedSetting kSettings[] = {
    {"clusterCIDR", &Options::cluster_cidr},
    {"serviceCIDR", &Options::service_cidr},
    {"clusterDNS", &Options::cluster_dns},
    {"clusterDomain", &Options::cluster_domain},
    {"serviceNodePortRange", &Options::service_node_port_range},
    {"agentToken", &Options::agent_token},
};

}  // namespace

std::string share_secrets(const ServerFiles& files, const Options& options) {
  JsonObject contents, settings, out;
  contents["tls/ca.key"] = api::text(files.ca.key_pem);
  contents["tls/ca.crt"] = api::text(files.ca.certificate_pem);
  contents["tls/peer-ca.key"] = api::text(files.peer_ca.key_pem);
  contents["tls/peer-ca.crt"] = api::text(files.peer_ca.certificate_pem);
  contents["tls/service-account.key"] = api::text(files.service_account_key);
  contents["token"] = api::text(files.token);
  contents["cluster-id"] = api::text(files.cluster_id);
  for (const auto& setting : kSettings) settings[setting.name] = api::text(options.*setting.value);
  out["files"] = std::move(contents);
  out["settings"] = std::move(settings);
  return api::to_json(Json(std::move(out)));
}

Result<void> take_secrets(const std::string& shared, Options& options) {
  MK_ASSIGN(const Json json, api::parse_json(shared, 8));
  const std::string server = options.data_dir + "/server";
  MK_TRY(make_dirs(server + "/tls", 0700));
  const Json* contents = api::find(json, "files");
  const Json* settings = api::find(json, "settings");
  if (contents == nullptr || settings == nullptr)
    return Error(Reason::kInvalid, "the server's answer is incomplete; is it of another version?");
  for (const auto& file : kShared) {
    const auto* found = contents->as_object().if_contains(file.name);
    if (found == nullptr || !found->is_string())
      return Error(Reason::kInvalid, std::string("the server did not give ") + file.name);
    const std::string_view wanted(found->get_string());
    const std::string path = server + "/" + file.name;
    if (file.name == std::string_view("cluster-id"))
      MK_TRY(write_file(server + "/joined", options.join + "\n", 0600));
    const auto known = read_file(path);
    if (known.ok() && trim(*known) != trim(wanted))
      return Error(Reason::kConflict, path + " is another cluster's; remove " + options.data_dir +
                                          " or choose another --data-dir to join this one");
    if (!known.ok()) MK_TRY(write_file(path, std::string(trim(wanted)) + "\n", file.mode));
  }
  for (const auto& setting : kSettings) options.*setting.value = api::str(*settings, setting.name);
  return ok();
}

}  // namespace mk::node
