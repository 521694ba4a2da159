#include "resource_metrics/scraper.h"

#include "mk/base/log.h"

namespace mk::apiserver {

namespace {
constexpr Log kLog("metrics");
constexpr auto kFresh = std::chrono::seconds(10);      // an answer may be so old
constexpr auto kWindowMax = std::chrono::seconds(60);  // a mean over more says little about now
constexpr auto kSecondLook = std::chrono::seconds(1);
constexpr auto kPatience = std::chrono::seconds(5);
}  // namespace

bool MetricsScraper::fresh(const Node& node) const {
  return node.known && clock_.mono() - node.looked < kFresh;
}

rt::Task<> MetricsScraper::refresh(std::set<std::string> nodes) {
  for (const auto& name : nodes) {
    while (running_ >= kAtOnce) co_await done_.wait();
    Node& node = nodes_[name];
    if (node.busy || fresh(node)) continue;
    node.busy = true;
    ++running_;
    group_.spawn("metrics of " + name, look(name));
  }
  for (const auto& name : nodes) {
    while (true) {
      const auto found = nodes_.find(name);
      if (found == nodes_.end() || !found->second.busy) break;
      co_await done_.wait();
    }
  }
}

rt::Task<> MetricsScraper::look(std::string name) {
  bool answered = co_await look_once(name);
  if (answered && !nodes_[name].before) {
    co_await clock_.sleep_for(kSecondLook);
    answered = co_await look_once(name);
  }
  Node& node = nodes_[name];
  node.busy = false;
  node.known = true;
  node.looked = clock_.mono();
  if (!answered) node.latest.reset();
  --running_;
  done_.notify_all();
}

rt::Task<bool> MetricsScraper::look_once(std::string name) {
  auto kubelet = kubelets_(name);
  if (!kubelet.ok()) co_return false;
  net::Request request("GET", "/metrics/resource");
  auto asked = co_await rt::with_timeout(clock_, kPatience, (*kubelet)->request(std::move(request)));
  const bool answered = asked && asked->ok() && (*asked)->status == 200;
  auto readings = answered ? parse_readings((*asked)->body)
                           : Result<NodeReadings>(Error(Reason::kServiceUnavailable, "no answer"));
  if (!readings.ok()) {
    kLog.warn("a kubelet does not tell what is used", "node", name, "error", readings.error().message());
    co_return false;
  }
  Node& node = nodes_[name];
  node.before = std::exchange(node.latest, std::move(*readings));
  if (node.before && node.latest->node.at - node.before->node.at > kWindowMax) node.before.reset();
  co_return true;
}

std::optional<Usage> MetricsScraper::node(const std::string& name) const {
  const auto found = nodes_.find(name);
  if (found == nodes_.end() || !found->second.latest || !found->second.before) return std::nullopt;
  return usage_since(&found->second.before->node, found->second.latest->node);
}

std::map<std::string, Usage> MetricsScraper::pod(const std::string& node, const std::string& ns,
                                                 const std::string& name) const {
  std::map<std::string, Usage> out;
  const auto found = nodes_.find(node);
  if (found == nodes_.end() || !found->second.latest) return out;
  const auto& [before, latest] = std::tie(found->second.before, found->second.latest);
  const auto now = latest->pods.find(ns + "/" + name);
  if (now == latest->pods.end()) return out;
  for (const auto& [container, reading] : now->second) {
    const Reading* then = nullptr;
    if (before)
      if (const auto pod = before->pods.find(ns + "/" + name); pod != before->pods.end())
        if (const auto old = pod->second.find(container); old != pod->second.end()) then = &old->second;
    const auto usage = usage_since(then, reading);
    if (!usage) return {};
    out[container] = *usage;
  }
  return out;
}

void MetricsScraper::keep(const std::set<std::string>& nodes) {
  std::erase_if(nodes_,
                [&](const auto& entry) { return !entry.second.busy && nodes.count(entry.first) == 0; });
}

}  // namespace mk::apiserver
