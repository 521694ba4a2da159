#include "server_files.h"

#include <algorithm>

#include "mk/base/files.h"
#include "mk/base/ids.h"
#include "mk/base/strings.h"
#include "mk/pki/token.h"

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

  Result<pki::KeyPair> authority() const {
    auto known = pair("ca");
    if (known.ok() || !known.error().is(Reason::kNotFound)) return known;
    const auto made = pki::make_ca("mk-ca@" + std::to_string(now_), now_ - kClockSkew, now_ + kCaLife);
    MK_TRY(keep("ca", made));
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

}  // namespace

std::string ServerFiles::node_token() const {
  pki::JoinToken join;
  join.ca_hash = pki::ca_hash(ca.certificate_pem);
  join.user = "node";
  join.password = agent_token;
  return join.str();
}

Result<ServerFiles> load_server_files(const Options& options, const std::vector<std::string>& names,
                                      const std::vector<std::string>& addresses, std::int64_t now) {
  const std::string server = options.data_dir + "/server", tls = server + "/tls";
  MK_TRY(make_dirs(tls, 0700));
  Folder folder(tls, now);
  ServerFiles out;
  MK_ASSIGN(out.ca, folder.authority());
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
  return out;
}

}  // namespace mk::node
