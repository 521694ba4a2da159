#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "cacher/cacher.h"
#include "handlers/request_info.h"
#include "mk/rt/clock.h"

namespace mk::apiserver {

// Kubernetes' metric names, in Prometheus' text format. Counts are kept per verb, resource and code.
class Metrics {
 public:
  void count(const RequestInfo& info, int code, rt::Duration took);
  void request_started() { ++in_flight_; }
  void request_ended() { --in_flight_; }
  std::string text(Cacher& cacher) const;
  // More text of the same format, asked for each time.
  void add_source(std::function<std::string()> source) { sources_.push_back(std::move(source)); }

 private:
  struct Series {
    std::uint64_t requests = 0;
    std::uint64_t buckets[8] = {};
    double seconds = 0;
  };
  // (verb, group, resource, subresource, code)
  using Labels = std::tuple<std::string, std::string, std::string, std::string, int>;
  std::map<Labels, Series> series_;
  std::int64_t in_flight_ = 0;
  std::vector<std::function<std::string()>> sources_;
};

}  // namespace mk::apiserver
