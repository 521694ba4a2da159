#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "log.h"

namespace mk::quorum {

// The log away from the brain. Requests keep their order; all that arrive while a sync runs share the next
// one.
class LogWriter {
 public:
  using Done = std::function<void()>;

  // `failed` is called once, on the brain, at the first error; no `done` is called after it.
  LogWriter(std::unique_ptr<Log> log, std::unique_ptr<store::Worker> worker,
            std::function<void(Error)> failed);
  ~LogWriter();

  // Each `done` is called on the brain, in order, when the request and all before it are durable.
  void set_vote(Term term, ServerId vote, Done done);
  void append(std::vector<LogEntry> entries, Done done);
  void truncate_after(Index last);
  void trim(Index base);
  void restart_at(Index base, Term base_term, Done done);

  // False: the disk is about to be full, and proposals must be refused. What was known after the last write;
  // asking while it is false looks again.
  bool has_space() const;
  std::uint64_t bytes_written() const;
  std::uint64_t sync_count() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mk::quorum
