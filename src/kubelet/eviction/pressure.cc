#include "eviction/pressure.h"

#include <sys/statvfs.h>

#include <algorithm>

#include "mk/base/files.h"
#include "mk/base/strings.h"
#include "stats/node_usage.h"

namespace mk::kubelet {

namespace {

void add_files(const std::string& folder, Signal bytes, Signal inodes, Observations& out) {
  struct statvfs files;
  if (::statvfs(folder.c_str(), &files) != 0) return;
  const auto block = static_cast<std::int64_t>(files.f_frsize);
  out[bytes] = {static_cast<std::int64_t>(files.f_bavail) * block,
                static_cast<std::int64_t>(files.f_blocks) * block};
  if (files.f_files > 0)  // btrfs has no fixed number
    out[inodes] = {static_cast<std::int64_t>(files.f_favail), static_cast<std::int64_t>(files.f_files)};
}

// Of /proc/loadavg, whose fourth field is "running/all".
std::optional<std::int64_t> threads_of(const std::string& loadavg) {
  const auto slash = loadavg.find('/');
  if (slash == std::string::npos) return std::nullopt;
  return parse_int(std::string_view(loadavg).substr(slash + 1, loadavg.find(' ', slash) - slash - 1));
}

void add_pids(Observations& out) {
  std::optional<std::int64_t> most;
  for (const char* path : {"/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"}) {
    const auto text = read_file(path);
    const auto limit = text.ok() ? parse_int(trim(*text)) : std::nullopt;
    if (limit) most = most ? std::min(*most, *limit) : *limit;
  }
  const auto threads = threads_of(read_file("/proc/loadavg").value_or(""));
  if (most && threads) out[Signal::kPids] = {*most - *threads, *most};
}

bool is_disk(std::string_view resource) {
  return resource == "ephemeral-storage" || resource == "inodes";
}

}  // namespace

Observations read_signals(const std::string& data_dir) {
  Observations out;
  std::int64_t total = 0;
  const Usage memory = memory_of(read_file("/proc/meminfo").value_or(""), total);
  if (total > 0) out[Signal::kMemory] = {total - memory.working_set, total};
  add_files(data_dir, Signal::kNodeFs, Signal::kNodeInodes, out);
  add_files(data_dir + "/layers", Signal::kImageFs, Signal::kImageInodes, out);
  add_pids(out);
  return out;
}

Verdict PressureTracker::look(const Observations& seen, rt::MonoTime now) {
  Verdict out;
  for (std::size_t i = 0; i < thresholds_.size(); ++i) {
    const Threshold& threshold = thresholds_[i];
    const auto found = seen.find(threshold.signal);
    if (found == seen.end()) continue;  // what is not known now stays as it was
    const auto& [available, capacity] = found->second;
    // Once crossed, it takes more to be over it: else every pod that goes would free too little.
    const auto more = crossed_.count(i) != 0 ? threshold.reclaim.of(capacity) : 0;
    if (available >= threshold.least.of(capacity) + more) {
      crossed_.erase(i);
      continue;
    }
    const auto since = crossed_.emplace(i, now).first->second;
    last_under_[resource_of(threshold.signal)] = now;
    if (now - since >= threshold.grace) out.act.push_back({threshold, found->second});
  }
  std::stable_sort(out.act.begin(), out.act.end(), [](const Breach& a, const Breach& b) {
    return a.threshold.signal == Signal::kMemory && b.threshold.signal != Signal::kMemory;
  });
  for (const auto& [resource, when] : last_under_) {
    if (when != now && now - when >= transition_) continue;
    out.pressure.memory |= resource == "memory";
    out.pressure.disk |= is_disk(resource);
    out.pressure.pids |= resource == "pids";
  }
  return out;
}

}  // namespace mk::kubelet
