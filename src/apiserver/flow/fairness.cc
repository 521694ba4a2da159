#include "flow/fairness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "mk/api/resource.h"

namespace mk::apiserver {
namespace {

constexpr auto kShareEvery = std::chrono::seconds(10);
constexpr double kSmoothing = 0.977;  // of a falling demand, per round
constexpr std::size_t kKnownMax = 2048;
constexpr int kObjectsPerSeat = 100, kSeatsMax = 10;

const api::Gvr& schemas_gvr() {
  static const api::Gvr gvr{"flowcontrol.apiserver.k8s.io", "v1", "flowschemas"};
  return gvr;
}

const api::Gvr& levels_gvr() {
  static const api::Gvr gvr{"flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations"};
  return gvr;
}

// A level between what it must have and what it may have.
struct Share {
  PriorityLevel* level;
  double least, most, target;
};

double sum_at(const std::vector<Share>& shares, double fraction) {
  double sum = 0;
  for (const auto& share : shares)
    sum += std::min(share.most, std::max(share.least, fraction * share.target));
  return sum;
}

// The fraction of everybody's target at which all seats are given away (or nobody may take more).
double fair_fraction(const std::vector<Share>& shares, double seats) {
  double low = 0, high = 1;
  while (high < 1e6 && sum_at(shares, high) < seats) high *= 2;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (sum_at(shares, middle) < seats ? low : high) = middle;
  }
  return high;
}

}  // namespace

Fairness::Fairness(Cacher& cacher, rt::Clock& clock, int seats)
    : cacher_(cacher), clock_(clock), seats_(seats) {
  follow(schemas_gvr());
  follow(levels_gvr());
}

// The handler stays with the cache, which may outlive us. A status is no change of what we do.
void Fairness::follow(const api::Gvr& gvr) {
  cacher_.resource(gvr).on_change([this, weak = std::weak_ptr<bool>(alive_)](const CacheEvent& event) {
    if (weak.expired()) return;
    if (event.before && !event.removed && event.before.generation() == event.after.generation() &&
        event.before.uid() == event.after.uid())
      return;
    stale_ = true;
    changed_.notify_all();
  });
}

void Fairness::rebuild() {
  stale_ = false;
  known_.clear();
  std::map<std::string, PriorityLevel::Config> configs;
  cacher_.resource(levels_gvr()).for_each("", [&](const api::Object& object) {
    configs[std::string(object.name())] = PriorityLevel::Config(object);
    return true;
  });
  if (const auto [at, made] = configs.try_emplace("exempt"); made) {
    at->second.exempt = true;
    at->second.shares = 0;
  }
  if (const auto [at, made] = configs.try_emplace("catch-all"); made) at->second.shares = 5;
  double total = 0;
  for (const auto& [name, config] : configs) total += config.shares;
  std::erase_if(levels_, [&](const auto& level) { return configs.count(level.first) == 0; });
  for (auto& [name, config] : configs) {
    auto& level = levels_[name];
    if (!level) level = std::make_shared<PriorityLevel>(name, clock_);
    const double nominal = total > 0 ? std::ceil(seats_ * config.shares / total) : 0;
    level->configure(std::move(config), static_cast<int>(nominal));
  }
  schemas_.clear();
  bool exempt = false, catch_all = false;
  cacher_.resource(schemas_gvr()).for_each("", [&](const api::Object& object) {
    auto schema = std::make_shared<const FlowSchema>(object);
    exempt = exempt || schema->name == "exempt";
    catch_all = catch_all || schema->name == "catch-all";
    if (levels_.count(schema->level) > 0) schemas_.push_back(std::move(schema));
    return true;
  });
  if (!exempt) schemas_.push_back(std::make_shared<const FlowSchema>(FlowSchema::built_in("exempt")));
  if (!catch_all) schemas_.push_back(std::make_shared<const FlowSchema>(FlowSchema::built_in("catch-all")));
  std::stable_sort(schemas_.begin(), schemas_.end(), [](const auto& a, const auto& b) {
    return a->precedence != b->precedence ? a->precedence < b->precedence : a->name < b->name;
  });
}

const Fairness::Class& Fairness::classify(const UserInfo& user, const RequestInfo& info) {
  refresh();
  key_.clear();
  const auto add = [this](std::string_view part) { key_.append(part).push_back('\0'); };
  add(user.name);
  for (const auto& group : user.groups) add(group);
  add(info.resource_request ? "\1" : "\2");  // no group's name: ends their list
  add(info.verb);
  if (info.resource_request) {
    for (const auto* part : {&info.group, &info.resource, &info.subresource, &info.ns}) add(*part);
  } else {
    add(info.path);
  }
  if (const auto found = known_.find(key_); found != known_.end()) return found->second;
  if (known_.size() >= kKnownMax) known_.clear();
  return known_[key_] = match(user, info);
}

Fairness::Class Fairness::match(const UserInfo& user, const RequestInfo& info) {
  for (const auto& schema : schemas_)
    if (schema->matches(user, info)) return {schema, levels_.at(schema->level)};
  const auto& last = schemas_.back();  // nobody is left without a level
  return {last, levels_.at(last->level)};
}

int Fairness::seats_of(const RequestInfo& info, const PriorityLevel& level) const {
  if (info.verb != "list" || !info.resource_request) return 1;
  const api::ResourceInfo* resource = api::find_builtin(api::Gvr{info.group, info.version, info.resource});
  if (resource == nullptr) return 1;
  const auto count = static_cast<int>(std::min<std::size_t>(cacher_.resource(resource->gvr).size(), 1 << 20));
  // One request should not take more than a small part of its level.
  const int most = std::clamp(level.nominal_seats() * 15 / 100, 1, kSeatsMax);
  return std::clamp((count + kObjectsPerSeat - 1) / kObjectsPerSeat, 1, most);
}

bool Fairness::is_long_running(const RequestInfo& info) {
  if (!info.resource_request) return false;
  constexpr std::string_view kSubresources[] = {"attach", "exec", "log", "portforward", "proxy"};
  return info.verb == "watch" || std::find(std::begin(kSubresources), std::end(kSubresources),
                                           info.subresource) != std::end(kSubresources);
}

void Fairness::share_out() {
  refresh();
  std::vector<Share> shares;
  double must = 0;
  for (auto& [name, level] : levels_) {
    if (level->config().exempt) continue;
    const auto demand = level->take_demand();
    const double envelope = demand.average + demand.deviation;
    level->smoothed_demand =
        std::max(envelope, kSmoothing * level->smoothed_demand + (1 - kSmoothing) * envelope);
    const double nominal = level->nominal_seats();
    const double kept = nominal - std::round(nominal * level->config().lendable_percent / 100);
    const double borrowing = level->config().borrowing_percent;
    Share share{level.get(), std::max(kept, std::min(nominal, demand.high)), 1e9, 0};
    if (borrowing >= 0) share.most = std::max(share.least, nominal + std::round(nominal * borrowing / 100));
    share.target = std::max(1.0, std::max(share.least, level->smoothed_demand));
    must += share.least;
    shares.push_back(share);
  }
  const double fraction = must >= seats_ ? 0 : fair_fraction(shares, seats_);
  for (const auto& share : shares)
    share.level->set_seats(
        static_cast<int>(std::round(std::min(share.most, std::max(share.least, fraction * share.target)))));
}

rt::Task<> Fairness::keep_sharing() {
  for (;;) {
    co_await clock_.sleep_for(kShareEvery);
    share_out();
  }
}

std::string Fairness::metrics() const {
  std::string out;
  const auto family = [&](std::string_view name, std::string_view type, auto&& value) {
    out += fmt::format("# TYPE apiserver_flowcontrol_{} {}\n", name, type);
    for (const auto& [level_name, level] : levels_)
      out += fmt::format("apiserver_flowcontrol_{}{{priority_level=\"{}\"}} {}\n", name, level_name,
                         value(*level));
  };
  family("nominal_limit_seats", "gauge", [](const auto& level) { return level.nominal_seats(); });
  family("current_limit_seats", "gauge", [](const auto& level) { return level.current_seats(); });
  family("current_executing_seats", "gauge", [](const auto& level) { return level.seats_in_use(); });
  family("current_executing_requests", "gauge", [](const auto& level) { return level.running(); });
  family("current_inqueue_requests", "gauge", [](const auto& level) { return level.waiting(); });
  family("dispatched_requests_total", "counter", [](const auto& level) { return level.counts().dispatched; });
  family("request_wait_seconds_total", "counter", [](const auto& level) { return level.counts().waited; });
  out += "# TYPE apiserver_flowcontrol_rejected_requests_total counter\n";
  for (const auto& [name, level] : levels_) {
    const auto& counts = level->counts();
    const std::pair<const char*, std::uint64_t> reasons[] = {{"queue-full", counts.queue_full},
                                                             {"concurrency-limit", counts.no_seat},
                                                             {"time-out", counts.timed_out}};
    for (const auto& [reason, count] : reasons)
      out += fmt::format(
          "apiserver_flowcontrol_rejected_requests_total{{priority_level=\"{}\",reason=\"{}\"}} {}\n", name,
          reason, count);
  }
  return out;
}

}  // namespace mk::apiserver
