#include "server_files.h"

#include <algorithm>

#include "mk/base/files.h"
#include "mk/base/ids.h"
#include "mk/base/strings.h"
#include "mk/pki/token.h"
#include "mk/quorum/peer_links.h"

namespace mk::node {
namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kCaLife = 3650 * kDay, kLeafLife = 365 * kDay, kRenewBefore = 120 * kDay;
constexpr std::int64_t kClockSkew = 3600;

class Folder {
 public:
  Folder(std::string path, std::int64_t now) : path_(std::move(path)), now_(now) {}

  // A small secret, made by `make` when missing.
  template <class Make>
  Result<std::string> secret(const std::string& name, Make make) {
    const std::string path = path_ + "/" + name;
    auto known = read_file(path);
    if (known.ok()) return std::string(trim(*known));
    if (!known.error().is(Reason::kNotFound)) return std::move(known).error();
    const std::string made = make();
    MK_TRY(write_file(path, made + "\n", 0600));
    return std::string(trim(made));
  }

  Result<pki::KeyPair> pair(const std::string& name) const {
    pki::KeyPair out;
    MK_ASSIGN(out.certificate_pem, read_file(path_ + "/" + name + ".crt"));
    MK_ASSIGN(out.key_pem, read_file(path_ + "/" + name + ".key"));
    if (!pki::key_matches(out))
      return Error(
          Reason::kInvalid,
          path_ + "/" + name + ".crt and .key do not belong together; remove both to have them made anew");
    return out;
  }

  Result<void> keep(const std::string& name, const pki::KeyPair& pair) const {
    // The key first: a certificate without its key would be taken for a broken pair.
    MK_TRY(write_file(path_ + "/" + name + ".key", pair.key_pem, 0600));
    return write_file(path_ + "/" + name + ".crt", pair.certificate_pem, 0644);
  }

  Result<pki::KeyPair> authority(const std::string& name) const {
    auto known = pair(name);
    if (known.ok() || !known.error().is(Reason::kNotFound)) return known;
    const auto made =
        pki::make_ca("mk-" + name + "@" + std::to_string(now_), now_ - kClockSkew, now_ + kCaLife);
    MK_TRY(keep(name, made));
    return made;
  }

  Result<pki::KeyPair> leaf(const std::string& name, const pki::KeyPair& ca,
                            pki::CertificateRequest request) const {
    request.not_before = now_ - kClockSkew;
    request.not_after = now_ + kLeafLife;
    auto known = pair(name);
    if (known.ok() && still_good(*known, ca, request)) return known;
    if (!known.ok() && !known.error().is(Reason::kNotFound)) return known;
    MK_ASSIGN(auto made, pki::issue(ca, request));
    MK_TRY(keep(name, made));
    return made;
  }

 private:
  bool still_good(const pki::KeyPair& pair, const pki::KeyPair& ca,
                  const pki::CertificateRequest& request) const {
    const auto info = pki::parse_certificate(pair.certificate_pem);
    if (!info.ok() || info->not_after - now_ < kRenewBefore) return false;
    if (!pki::verify_certificate(pair.certificate_pem, ca.certificate_pem, now_).ok()) return false;
    const auto covers = [](const std::vector<std::string>& have, const std::vector<std::string>& want) {
      return std::all_of(want.begin(), want.end(), [&](const auto& item) {
        return std::find(have.begin(), have.end(), item) != have.end();
      });
    };
    return covers(info->dns_names, request.dns_names) && covers(info->ip_addresses, request.ip_addresses);
  }

  const std::string path_;
  const std::int64_t now_;
};

pki::CertificateRequest client(std::string name, std::vector<std::string> groups) {
  pki::CertificateRequest request;
  request.common_name = std::move(name);
  request.organizations = std::move(groups);
  request.usage = pki::Usage::kClient;
  return request;
}

// "K10<hash>::server:<password>" and a bare password both name the password.
Result<std::string> password_of(const std::string& token) {
  MK_ASSIGN(const auto parsed, pki::parse_join_token(token));
  return parsed.password;
}

// 48 random bits: servers choose without asking anybody.
std::string make_server_id() {
  std::uint64_t id = 1;
  for (const char byte : random_bytes(6)) id = id << 8 | static_cast<unsigned char>(byte);
  return std::to_string((id & ((1ull << 48) - 1)) | 1);
}

std::string join_token(const pki::KeyPair& ca, const char* user, const std::string& password) {
  pki::JoinToken join;
  join.ca_hash = pki::ca_hash(ca.certificate_pem);
  join.user = user;
  join.password = password;
  return join.str();
}

}  // namespace

std::string ServerFiles::node_token() const {
  return join_token(ca, "node", agent_token);
}

std::string ServerFiles::server_token() const {
  return join_token(ca, "server", token);
}

Result<ServerFiles> load_server_files(const Options& options, const std::vector<std::string>& names,
                                      const std::vector<std::string>& addresses, std::int64_t now) {
  const std::string server = options.data_dir + "/server", tls = server + "/tls";
  MK_TRY(make_dirs(tls, 0700));
  Folder folder(tls, now);
  ServerFiles out;
  MK_ASSIGN(out.ca, folder.authority("ca"));
  MK_ASSIGN(out.peer_ca, folder.authority("peer-ca"));
  pki::CertificateRequest serving;
  serving.common_name = "mk";
  serving.usage = pki::Usage::kServer;
  serving.dns_names = names;
  serving.ip_addresses = addresses;
  MK_ASSIGN(out.serving, folder.leaf("serving", out.ca, serving));
  MK_ASSIGN(out.kubelet_client, folder.leaf("kubelet-client", out.ca,
                                            client("kube-apiserver-kubelet-client", {"system:masters"})));
  MK_ASSIGN(out.admin, folder.leaf("admin", out.ca, client("system:admin", {"system:masters"})));
  MK_ASSIGN(out.service_account_key,
            folder.secret("service-account.key", [] { return pki::make_private_key(); }));
  Folder tokens(server, now);
  MK_ASSIGN(out.cluster_id, tokens.secret("cluster-id", [] { return random_token(16); }));
  out.joined = read_file(server + "/joined").ok();
  MK_ASSIGN(const std::string id, tokens.secret("server-id", [] { return make_server_id(); }));
  out.server_id = static_cast<std::uint64_t>(parse_int(id).value_or(0));
  if (out.server_id == 0)
    return Error(Reason::kInvalid, server + "/server-id does not hold a number; restore it from a backup");
  MK_ASSIGN(out.peer, folder.leaf("peer", out.peer_ca, quorum::peer_certificate(out.server_id)));
  if (options.token.empty()) {
    MK_ASSIGN(out.token, tokens.secret("token", [] { return random_token(32); }));
  } else {
    MK_ASSIGN(out.token, password_of(options.token));
  }
  out.agent_token = out.token;
  if (!options.agent_token.empty()) {
    MK_ASSIGN(out.agent_token, password_of(options.agent_token));
  }
  MK_TRY(write_file(server + "/node-token", out.node_token() + "\n", 0600));
  MK_TRY(write_file(server + "/server-token", out.server_token() + "\n", 0600));
  return out;
}

}  // namespace mk::node
