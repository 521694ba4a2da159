#pragma once

#include <functional>
#include <optional>
#include <string>

#include "mk/base/result.h"
#include "mk/net/http.h"
#include "mk/rt/blocking.h"
#include "mk/rt/clock.h"

namespace mk::kubelet {

struct LogOptions {
  bool follow = false, previous = false, timestamps = false;
  std::optional<std::int64_t> tail_lines, limit_bytes;
  std::optional<rt::WallTime> since;
  std::string stream = "All";  // "Stdout", "Stderr", "All"
};
// kBadRequest or kInvalid names the wrong option.
Result<LogOptions> parse_log_options(const net::Query& query, rt::WallTime now);

// Where the text goes; an error ends the stream (the reader has gone).
using LogSink = std::function<rt::Task<Result<void>>(std::string)>;

// Formats CRI log lines one after the other: filters by time and stream, strips or keeps the time, counts
// bytes. Pure; keeps what the next line needs.
class LogFormatter {
 public:
  explicit LogFormatter(const LogOptions& options)
      : options_(options), left_(options.limit_bytes.value_or(-1)) {}
  void line(std::string_view line, std::string& out);
  bool full() const { return left_ == 0; }

 private:
  const LogOptions& options_;
  std::int64_t left_;  // -1: no limit
  bool continued_ = false;
};

// The offset in the file at which its last `lines` lines begin. Blocking.
std::int64_t tail_offset(int fd, std::int64_t lines);

// Sends the log of one container. While following, waits for the file to grow, goes over to the next file
// when the log was rotated, and ends after the last byte once `running` says no.
rt::Task<Result<void>> stream_log(rt::BlockingPool& pool, rt::Clock& clock, std::string path,
                                  LogOptions options, std::function<bool()> running, LogSink sink);

}  // namespace mk::kubelet
