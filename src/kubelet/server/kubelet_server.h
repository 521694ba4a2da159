#pragma once

#include <memory>

#include "context.h"
#include "mk/net/server.h"
#include "pods/pod_manager.h"
#include "stats/stats.h"

namespace mk::kubelet {

// The kubelet's own API: logs, exec, attach, pods and health, for the API server (and system:masters) alone.
class KubeletServer {
 public:
  KubeletServer(Context& context, PodManager& pods);
  Result<void> start();
  rt::Task<> stop();
  int port() const { return server_ ? server_->port() : 0; }

 private:
  using Parts = std::vector<std::string>;

  rt::Task<> handle(std::shared_ptr<net::Exchange> exchange);
  rt::Task<Result<void>> route(std::shared_ptr<net::Exchange> exchange);
  rt::Task<Result<void>> serve_logs(std::shared_ptr<net::Exchange> exchange, Parts parts);
  rt::Task<Result<void>> serve_streams(std::shared_ptr<net::Exchange> exchange, Parts parts, bool attach);
  rt::Task<Result<void>> serve_ports(std::shared_ptr<net::Exchange> exchange, Parts parts);
  Result<ContainerStatus> find_container(const Parts& parts, bool previous) const;
  Result<ContainerStatus> running_container(const Parts& parts) const;
  bool is_running(const std::string& pod_uid, const std::string& id) const;
  std::string pods_json() const;
  rt::Task<std::string> stats_text(std::string which);
  std::string metrics() const;

  Context& context_;
  PodManager& pods_;
  std::unique_ptr<net::HttpServer> server_;
  CpuRates rates_;
};

// May this client use the kubelet's API? kUnauthorized without a certificate, kForbidden for other names.
Result<void> authorize(const std::optional<pki::CertificateInfo>& client);

}  // namespace mk::kubelet
