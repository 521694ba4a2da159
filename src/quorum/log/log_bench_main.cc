// What the log costs on this disk: appends a second, CPU, bytes and syncs, beside plain pwrite and fdatasync
// of as many bytes in the same minute.
//
//   log_bench [DIR] [SECONDS]     DIR on the disk that is meant, default /var/tmp; default 3 s for each
//   figure

#include <fmt/core.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>

#include "log_writer.h"
#include "mk/base/files.h"
#include "mk/rt/event.h"
#include "mk/store/counting_disk.h"

namespace {

using namespace mk;
using namespace mk::quorum;
using Steady = std::chrono::steady_clock;

constexpr std::size_t kEntry = 1024;

double seconds_since(Steady::time_point begin) {
  return std::chrono::duration<double>(Steady::now() - begin).count();
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

struct Figures {
  double seconds = 0, cpu = 0;
  std::uint64_t appends = 0, syncs = 0, written = 0, device = 0;

  void print(const char* name, std::size_t outstanding) const {
    const auto count = static_cast<double>(appends), synced = static_cast<double>(syncs);
    fmt::print("{:<8}{:>12}{:>12.0f}{:>12.1f}{:>14.1f}{:>14.0f}{:>14.0f}{:>14.0f}\n", name, outstanding,
               count / seconds, cpu / count * 1e6, count / synced, static_cast<double>(written) / count,
               static_cast<double>(device) / count, static_cast<double>(device) / synced);
  }
};

// The log as a server uses it: so many appends are not yet durable, and what is old is trimmed.
Figures run_log(store::CountingDisk& disk, const std::string& dir, std::size_t outstanding, double limit) {
  LogOptions options;
  options.dir = dir + "/log";
  options.cluster = "bench";
  LogContent found;
  rt::Loop loop;
  LogWriter writer(open_log(disk, options, found).value(), store::make_thread_worker(loop, "mk-log"),
                   [](Error error) {
                     fmt::print(stderr, "{}\n", error.message());
                     std::exit(1);
                   });
  const SharedBytes data(std::string(kEntry, 'x'));
  const Index first = found.base_index + found.entries.size();
  Index last = first, durable = first;
  rt::Event changed;
  const auto before = disk.count(store::StorageClass::kLog);
  const auto written = writer.bytes_written(), syncs = writer.sync_count();
  const double cpu = cpu_seconds();
  const auto begin = Steady::now();
  auto drive = [&]() -> rt::Task<> {
    while (seconds_since(begin) < limit) {
      while (last - durable < outstanding) {
        LogEntry entry;
        entry.index = ++last;
        entry.term = 1;
        entry.data = data;
        writer.append({entry}, [&] {
          if (++durable % 2000 == 0) writer.trim(durable - 1000);
          changed.notify_one();
        });
      }
      co_await changed.wait();
    }
    while (durable < last) co_await changed.wait();
  };
  rt::run_until_done(loop, drive());
  Figures out;
  out.seconds = seconds_since(begin);
  out.cpu = cpu_seconds() - cpu;
  out.appends = durable - first;
  out.syncs = writer.sync_count() - syncs;
  out.written = writer.bytes_written() - written;
  out.device = disk.count(store::StorageClass::kLog).written_bytes - before.written_bytes;
  return out;
}

// As many bytes at once, again and again over a file that is written already: the least a sync costs here.
Figures run_plain(store::CountingDisk& disk, const std::string& dir, std::size_t at_once, double limit) {
  constexpr std::uint64_t kFile = 8 << 20;
  auto file = disk.open(dir + "/log/plain", store::Disk::Open::kCreate).value();
  if (!file->write(0, std::string(kFile, '\0')).ok() || !file->sync().ok()) std::exit(1);
  const std::string bytes(at_once * kEntry, 'x');
  const auto before = disk.count(store::StorageClass::kLog);
  const double cpu = cpu_seconds();
  const auto begin = Steady::now();
  std::uint64_t offset = 0;
  Figures out;
  while (seconds_since(begin) < limit) {
    if (offset + bytes.size() > kFile) offset = 0;
    if (!file->write(offset, bytes).ok() || !file->sync().ok()) std::exit(1);
    offset += bytes.size();
    out.appends += at_once;
    ++out.syncs;
  }
  out.seconds = seconds_since(begin);
  out.cpu = cpu_seconds() - cpu;
  out.written = out.appends * kEntry;
  out.device = disk.count(store::StorageClass::kLog).written_bytes - before.written_bytes;
  return out;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string dir = std::string(count > 1 ? arguments[1] : "/var/tmp") + "/mk-log-bench";
  const double limit = count > 2 ? std::atof(arguments[2]) : 3;
  store::CountingDisk disk(store::make_real_disk());
  if (!disk.make_dirs(dir + "/log").ok()) return 1;
  fmt::print("entries of {} bytes in {}\n{:<8}{:>12}{:>12}{:>12}{:>14}{:>14}{:>14}{:>14}\n", kEntry, dir, "",
             "outstanding", "appends/s", "CPU us", "appends/sync", "bytes/append", "pages/append",
             "pages/sync");
  for (const std::size_t outstanding : {1, 16, 256}) {
    run_plain(disk, dir, outstanding, limit).print("plain", outstanding);
    run_log(disk, dir, outstanding, limit).print("log", outstanding);
  }
  return remove_tree(dir).ok() ? 0 : 1;
}
