#include "http/metrics.h"

#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <fstream>

#include "cacher/event_versions.h"
#include "mk/api/resource.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::apiserver {
namespace {

// Upper bounds in seconds of the latency histogram; the last bucket is +Inf.
constexpr double kBounds[] = {0.001, 0.005, 0.025, 0.1, 0.5, 1, 5};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

// process_* as every Prometheus client library has them; from /proc/self (proc(5)).
std::string process_metrics() {
  std::string out;
  const auto statm = read_file("/proc/self/statm");
  if (statm.ok()) {
    const auto fields = split(trim(*statm), ' ');
    const std::int64_t page = ::sysconf(_SC_PAGESIZE);
    out += fmt::format("# TYPE process_virtual_memory_bytes gauge\nprocess_virtual_memory_bytes {}\n",
                       parse_int(fields[0]).value_or(0) * page);
    out += fmt::format("# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {}\n",
                       parse_int(fields[1]).value_or(0) * page);
  }
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  out += fmt::format("# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total {:.3f}\n",
                     static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9);
  // Bytes that reached the block layer: what wears out flash (proc(5), /proc/pid/io).
  const auto io = read_file("/proc/self/io");
  if (io.ok()) {
    for (const auto line : split(*io, '\n')) {
      if (line.starts_with("write_bytes: "))
        out +=
            fmt::format("# TYPE mk_storage_written_bytes_total counter\nmk_storage_written_bytes_total {}\n",
                        line.substr(13));
    }
  }
  return out;
}

}  // namespace

void Metrics::count(const RequestInfo& info, int code, rt::Duration took) {
  Labels labels(upper(info.verb), info.group, info.resource_request ? info.resource : "", info.subresource,
                code);
  Series& series = series_[std::move(labels)];
  const double seconds = std::chrono::duration<double>(took).count();
  std::size_t bucket = 0;
  while (bucket < std::size(kBounds) && seconds > kBounds[bucket]) ++bucket;
  ++series.buckets[bucket];
  ++series.requests;
  series.seconds += seconds;
}

std::string Metrics::text(Cacher& cacher) const {
  std::string out = "# TYPE apiserver_request_total counter\n";
  const auto labels_of = [](const Labels& labels) {
    const auto& [verb, group, resource, sub, code] = labels;
    return fmt::format("verb=\"{}\",group=\"{}\",resource=\"{}\",subresource=\"{}\"", verb, group, resource,
                       sub);
  };
  for (const auto& [labels, series] : series_)
    out += fmt::format("apiserver_request_total{{{},code=\"{}\"}} {}\n", labels_of(labels),
                       std::get<4>(labels), series.requests);
  out += "# TYPE apiserver_request_duration_seconds histogram\n";
  for (const auto& [labels, series] : series_) {
    const std::string common = labels_of(labels) + fmt::format(",code=\"{}\"", std::get<4>(labels));
    std::uint64_t below = 0;
    for (std::size_t i = 0; i <= std::size(kBounds); ++i) {
      below += series.buckets[i];
      const std::string bound = i < std::size(kBounds) ? fmt::format("{}", kBounds[i]) : "+Inf";
      out +=
          fmt::format("apiserver_request_duration_seconds_bucket{{{},le=\"{}\"}} {}\n", common, bound, below);
    }
    out += fmt::format("apiserver_request_duration_seconds_sum{{{}}} {}\n", common, series.seconds);
    out += fmt::format("apiserver_request_duration_seconds_count{{{}}} {}\n", common, series.requests);
  }
  out += fmt::format(
      "# TYPE apiserver_current_inflight_requests gauge\napiserver_current_inflight_requests {}\n",
      in_flight_);
  out += "# TYPE apiserver_storage_objects gauge\n";
  for (const auto& resource : api::builtin_resources()) {
    if (!resource.has_verb("list") || stored_as(resource.gvr) != resource.gvr) continue;
    out += fmt::format("apiserver_storage_objects{{resource=\"{}\"}} {}\n", resource.gvr.qualified(),
                       cacher.resource(resource.gvr).size());
  }
  out += fmt::format("# TYPE mk_storage_fsync_total counter\nmk_storage_fsync_total {}\n",
                     cacher.store().sync_count());
  for (const auto& source : sources_) out += source();
  return out + process_metrics();
}

}  // namespace mk::apiserver
