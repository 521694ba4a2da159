#include "agent_servers.h"

#include <algorithm>

#include "mk/api/resource.h"
#include "mk/base/files.h"
#include "mk/base/log.h"
#include "mk/base/strings.h"

namespace mk::node {

namespace {

constexpr Log kLog("node");

std::string url_of(std::string_view address, std::int64_t port) {
  const bool v6 = address.find(':') != std::string_view::npos;
  const std::string host = v6 ? "[" + std::string(address) + "]" : std::string(address);
  return "https://" + host + ":" + std::to_string(port);
}

// Of an EndpointSlice.
std::vector<std::string> urls_of(const api::Json& slice) {
  std::vector<std::string> out;
  const auto ports = api::list(slice, "ports");
  if (ports.begin() == ports.end()) return out;
  const std::int64_t port = api::num(*ports.begin(), "port");
  for (const auto& endpoint : api::list(slice, "endpoints"))
    for (const auto& address : api::list(endpoint, "addresses"))
      if (const auto* text = address.if_string()) out.push_back(url_of({text->data(), text->size()}, port));
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> read_known(const std::string& file) {
  std::vector<std::string> out;
  const auto text = read_file(file);
  if (!text.ok()) return out;
  for (const auto line : split(*text, '\n'))
    if (line.starts_with("https://")) out.emplace_back(line);
  return out;
}

}  // namespace

Result<std::unique_ptr<AgentServers>> AgentServers::open(Process& process, net::ClientOptions connection,
                                                         std::string file) {
  auto known = read_known(file);
  if (std::find(known.begin(), known.end(), connection.base_url) == known.end())
    known.push_back(connection.base_url);
  MK_ASSIGN(auto http, client::make_any_server(process.loop, *process.clock, std::move(connection)));
  http->set_servers(std::move(known));
  return std::make_unique<AgentServers>(process, std::move(http), std::move(file));
}

AgentServers::AgentServers(Process& process, std::unique_ptr<client::AnyServer> http, std::string file)
    : process_(process), http_(std::move(http)), file_(std::move(file)), group_(process.loop.executor()) {}

void AgentServers::follow(client::Client& client) {
  client::ListOptions own;
  own.field_selector = "metadata.name=kubernetes";
  slices_ = std::make_unique<client::Informer>(client, *process_.clock, *process_.random,
                                               api::resources::kEndpointSlices, "default", std::move(own));
  slices_->on_change([this](const api::Object&, const api::Object& after) {
    if (after) learn(after);
  });
  slices_->start(group_);
}

void AgentServers::learn(const api::Object& slice) {
  const auto urls = urls_of(slice.json());
  if (urls.empty()) return;
  http_->set_servers(urls);
  std::string text;
  for (const auto& url : urls) text += url + "\n";
  if (const auto kept = write_file(file_, text, 0600); !kept.ok())
    kLog.warn("cannot keep the list of servers", "error", kept.error().message());
}

rt::Task<> AgentServers::stop() {
  co_await group_.stop();
}

}  // namespace mk::node
