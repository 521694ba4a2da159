#include "probes/prober.h"

#include <fmt/core.h>

#include "pods/actions.h"
#include "pods/events.h"
#include "probes/action.h"

namespace mk::kubelet {

namespace {

std::string_view name_of(ProbeType type) {
  return type == ProbeType::kStartup ? "Startup" : type == ProbeType::kReadiness ? "Readiness" : "Liveness";
}

}  // namespace

Prober::Prober(Context& context, std::function<void()> changed)
    : context_(context), changed_(std::move(changed)), tasks_(context.loop.executor()) {}

void Prober::update(const api::Object& pod, const PodSnapshot& snapshot, bool terminating) {
  terminating_ = terminating;
  std::set<std::string> running;
  std::string ip = snapshot.sandbox.ips.empty() ? "" : snapshot.sandbox.ips.front();
  if (ip.empty()) ip = host_network(pod.json()) ? context_.options.node_ip : "127.0.0.1";
  for (const auto& container : all_containers(pod.json())) {
    const auto* status = latest(snapshot, container.name());
    if (status == nullptr || status->state != ContainerState::kRunning) continue;
    running.insert(status->id);
    if (known_.insert(status->id).second) begin(pod, *container.spec, *status, ip);
  }
  for (auto it = known_.begin(); it != known_.end();) {
    const std::string id = *it++;
    if (running.count(id) == 0) forget(id);
  }
}

void Prober::begin(const api::Object& pod, const Json& container, const ContainerStatus& status,
                   const std::string& pod_ip) {
  // A container that an earlier kubelet saw started or ready stays so until a probe says otherwise.
  bool was_started = false, was_ready = false;
  for (std::string_view field : {"status.containerStatuses", "status.initContainerStatuses"}) {
    for (const Json& seen : api::list(pod.json(), field)) {
      if (api::str(seen, "containerID") != "mk://" + status.id) continue;
      was_started = api::flag(seen, "started");
      was_ready = api::flag(seen, "ready");
    }
  }
  Probe base{ProbeType::kReadiness, pod, status.name, status.id, pod_ip, nullptr, &container,
             status.started_at};
  const Json* startup = api::find(container, "startupProbe");
  const Json* readiness = api::find(container, "readinessProbe");
  if (startup == nullptr || was_started) started_.insert(status.id);
  if (readiness == nullptr || was_ready) ready_.insert(status.id);
  for (const auto& [type, spec] : {std::pair{ProbeType::kStartup, startup},
                                   {ProbeType::kReadiness, readiness},
                                   {ProbeType::kLiveness, api::find(container, "livenessProbe")}}) {
    if (spec == nullptr || (type == ProbeType::kStartup && was_started)) continue;
    base.type = type;
    base.spec = spec;
    spawn(base, was_started);
  }
}

void Prober::spawn(Probe probe, bool adopted) {
  const std::string name = fmt::format("{} probe of {}", name_of(probe.type), probe.container_id);
  tasks_.spawn(name, run(std::move(probe), adopted));
}

rt::Task<> Prober::run(Probe probe, bool adopted) {
  const auto seconds = [&](std::string_view field, std::int64_t fallback) {
    return std::chrono::seconds(std::max<std::int64_t>(1, api::num(*probe.spec, field, fallback)));
  };
  const rt::Duration period = seconds("periodSeconds", 10), timeout = seconds("timeoutSeconds", 1);
  const auto failures_max = std::max<std::int64_t>(1, api::num(*probe.spec, "failureThreshold", 3));
  const auto successes_min = std::max<std::int64_t>(1, api::num(*probe.spec, "successThreshold", 1));
  // After a restart of the kubelet all probes of the node start together: spread them.
  if (adopted)
    co_await context_.clock.sleep_for(
        rt::Duration(context_.random.below(static_cast<std::uint64_t>(period.count()))));
  const auto first =
      probe.container_started + std::chrono::seconds(api::num(*probe.spec, "initialDelaySeconds"));
  if (const auto now = context_.clock.now(); first > now) co_await context_.clock.sleep_for(first - now);
  std::int64_t failures = 0, successes = 0;
  while (known_.count(probe.container_id) != 0) {
    const bool startup = probe.type == ProbeType::kStartup;
    if (!startup && started_.count(probe.container_id) == 0) {
      co_await progress_.wait();
      continue;
    }
    const auto next = context_.clock.mono() + period;
    if (!terminating_ || probe.type == ProbeType::kReadiness) {
      ActionTarget target{probe.container_id, probe.pod_ip, &probe.pod.json(), probe.definition};
      auto result = co_await run_action(context_, std::move(target), *probe.spec, timeout);
      if (known_.count(probe.container_id) == 0) co_return;
      (result.success ? successes : failures)++;
      (result.success ? failures : successes) = 0;
      if (!result.success)
        context_.events.pod(probe.pod.json(), "Warning", "Unhealthy",
                            fmt::format("{} probe failed: {}", name_of(probe.type), result.output),
                            probe.container);
      if (successes >= successes_min || failures >= failures_max) report(probe, result.success);
      if (startup && result.success && started_.count(probe.container_id) != 0) co_return;
    }
    co_await context_.clock.sleep_until(next);
  }
}

void Prober::report(const Probe& probe, bool success) {
  const std::string& id = probe.container_id;
  bool changed = false;
  if (probe.type == ProbeType::kReadiness) {
    changed = success ? ready_.insert(id).second : ready_.erase(id) != 0;
  } else if (success) {
    if (probe.type == ProbeType::kStartup) changed = started_.insert(id).second;
  } else {
    changed =
        unhealthy_
            .emplace(id, fmt::format("{} probe", probe.type == ProbeType::kStartup ? "startup" : "liveness"))
            .second;
  }
  if (!changed) return;
  progress_.notify_all();
  changed_();
}

void Prober::forget(const std::string& id) {
  known_.erase(id);
  ready_.erase(id);
  started_.erase(id);
  unhealthy_.erase(id);
  progress_.notify_all();
}

rt::Task<> Prober::stop() {
  co_await tasks_.stop();
}

}  // namespace mk::kubelet
