#include "server/log_stream.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "mk/base/strings.h"
#include "mk/rt/fd.h"

namespace mk::kubelet {

namespace {

constexpr std::size_t kBlock = 64 << 10;
constexpr auto kLook = std::chrono::seconds(1);  // the end of a container changes no file

class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}
  ~OpenFile() { close(); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  void reset(int fd) {
    close();
    fd_ = fd;
  }
  int get() const { return fd_; }

 private:
  void close() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd_;
};

int open_log(const std::string& path) {
  return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

std::string read_at(int fd, std::int64_t offset) {
  std::string out(kBlock, '\0');
  const auto got = ::pread(fd, out.data(), out.size(), offset);
  out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return out;
}

// Was the file behind `fd` moved away, with a new one in its place?
bool rotated(int fd, const std::string& path) {
  struct stat here, there;
  return ::fstat(fd, &here) == 0 && ::stat(path.c_str(), &there) == 0 && here.st_ino != there.st_ino;
}

Result<std::optional<std::int64_t>> number_option(const net::Query& query, std::string_view name) {
  if (!query.has(name)) return std::optional<std::int64_t>();
  const auto value = parse_int(query.get(name));
  if (!value || *value < 0)
    return Error(Reason::kBadRequest, std::string(name) + " must be a number of at least 0");
  return std::optional<std::int64_t>(*value);
}

rt::Task<> wait_for_change(rt::Clock& clock, rt::AsyncFd& notify) {
  auto wait = [](rt::AsyncFd& fd) -> rt::Task<> { (void)co_await fd.read_some(4096); };
  co_await rt::race(wait(notify), clock.sleep_for(kLook));
}

}  // namespace

Result<LogOptions> parse_log_options(const net::Query& query, rt::WallTime now) {
  LogOptions out;
  out.follow = query.flag("follow");
  out.previous = query.flag("previous");
  out.timestamps = query.flag("timestamps");
  MK_ASSIGN(out.tail_lines, number_option(query, "tailLines"));
  MK_ASSIGN(out.limit_bytes, number_option(query, "limitBytes"));
  MK_ASSIGN(const auto seconds, number_option(query, "sinceSeconds"));
  if (seconds) out.since = now - std::chrono::seconds(*seconds);
  if (const auto time = query.get("sinceTime"); !time.empty()) {
    out.since = rt::parse_time(time);
    if (!out.since)
      return Error(Reason::kBadRequest, "sinceTime must be an RFC 3339 time, like 2026-01-02T03:04:05Z");
  }
  if (const auto stream = query.get("stream"); !stream.empty()) out.stream = std::string(stream);
  return out;
}

void LogFormatter::line(std::string_view line, std::string& out) {
  const auto first = line.find(' ');
  const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return;
  const auto third = line.find(' ', second + 1);
  const auto time = line.substr(0, first), stream = line.substr(first + 1, second - first - 1);
  const auto tag = line.substr(second + 1, third == std::string_view::npos ? third : third - second - 1);
  if (options_.stream == "Stdout" && stream != "stdout") return;
  if (options_.stream == "Stderr" && stream != "stderr") return;
  if (options_.since) {
    const auto when = rt::parse_time(time);
    if (!when || *when < *options_.since) return;
  }
  std::string piece;
  if (options_.timestamps && !continued_) piece.append(time).append(" ");
  if (third != std::string_view::npos) piece.append(line.substr(third + 1));
  continued_ = tag.substr(0, 1) == "P";
  if (!continued_) piece += '\n';
  if (left_ >= 0) {
    piece.resize(std::min<std::size_t>(piece.size(), static_cast<std::size_t>(left_)));
    left_ -= static_cast<std::int64_t>(piece.size());
  }
  out += piece;
}

std::int64_t tail_offset(int fd, std::int64_t lines) {
  struct stat info;
  if (::fstat(fd, &info) != 0) return 0;
  std::int64_t end = info.st_size, at = end, seen = 0;
  if (lines == 0) return end;
  std::string block(kBlock, '\0');
  while (at > 0) {
    const std::int64_t from = std::max<std::int64_t>(0, at - static_cast<std::int64_t>(kBlock));
    const auto got = ::pread(fd, block.data(), static_cast<std::size_t>(at - from), from);
    if (got <= 0) return 0;
    for (auto i = got; i-- > 0;) {
      if (block[static_cast<std::size_t>(i)] != '\n' || from + i + 1 == end) continue;
      if (++seen == lines) return from + i + 1;
    }
    at = from;
  }
  return 0;
}

rt::Task<Result<void>> stream_log(rt::BlockingPool& pool, rt::Clock& clock, std::string path,
                                  LogOptions options, std::function<bool()> running, LogSink sink) {
  OpenFile file(open_log(path));
  if (file.get() < 0) {
    if (errno == ENOENT) co_return ok();  // nothing was written yet, or the log has been removed
    co_return Error(Reason::kInternalError, "open " + path + ": " + std::strerror(errno));
  }
  rt::AsyncFd notify(co_await rt::this_executor(), ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (options.follow) {
    const std::string folder = path.substr(0, path.rfind('/'));
    ::inotify_add_watch(notify.native(), folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO);
  }
  std::int64_t offset = 0;
  if (options.tail_lines) {
    auto work = [fd = file.get(), lines = *options.tail_lines] { return tail_offset(fd, lines); };
    offset = co_await pool.run(std::move(work));
  }
  LogFormatter formatter(options);
  std::string rest;
  while (!formatter.full()) {
    const bool was_running = running();  // asked before the read: what comes later is read too
    auto work = [fd = file.get(), offset] { return read_at(fd, offset); };
    const std::string block = co_await pool.run(std::move(work));
    if (block.empty()) {
      if (!options.follow) break;
      if (rotated(file.get(), path)) {
        file.reset(open_log(path));
        offset = 0;
        rest.clear();
        if (file.get() >= 0) continue;
        break;
      }
      if (!was_running) break;
      co_await wait_for_change(clock, notify);
      continue;
    }
    offset += static_cast<std::int64_t>(block.size());
    rest += block;
    std::string out;
    std::size_t start = 0;
    for (auto end = rest.find('\n'); end != std::string::npos && !formatter.full();
         end = rest.find('\n', start)) {
      formatter.line(std::string_view(rest).substr(start, end - start), out);
      start = end + 1;
    }
    rest.erase(0, start);
    if (!out.empty()) MK_CO_TRY(co_await sink(std::move(out)));
  }
  co_return ok();
}

}  // namespace mk::kubelet
