#include "log_writer.h"

#include <atomic>
#include <mutex>
#include <optional>

namespace mk::quorum {

struct LogWriter::State {
  struct Request {
    std::function<Result<void>(Log&)> call;
    Done done;
  };
  // What one job did; handed from the worker to the brain.
  struct Batch {
    std::vector<Request> requests;
    std::optional<Error> error;
  };

  // Worker only, once it runs.
  std::unique_ptr<Log> log;
  bool failed = false;

  // Shared.
  std::mutex mutex;
  std::vector<Request> queue;
  bool scheduled = false;  // a job is submitted that has not yet taken the queue
  std::atomic<bool> space{true}, looking{false};
  std::atomic<std::uint64_t> written{0}, syncs{0};

  // Brain only.
  std::unique_ptr<store::Worker> worker;
  std::function<void(Error)> report;
  bool ended = false;

  Result<void> write(std::vector<Request>& requests) {
    for (auto& request : requests) {
      if (request.call) MK_TRY(request.call(*log));
      request.call = nullptr;  // the entries' bytes are the log's now
    }
    MK_TRY(log->sync());
    MK_ASSIGN(const bool free, log->has_space());
    space = free;
    written = log->bytes_written();
    syncs = log->sync_count();
    return ok();
  }

  void run(Batch& batch) {
    {
      std::lock_guard guard(mutex);
      batch.requests.swap(queue);
      scheduled = false;
    }
    looking = false;
    if (failed) return;
    if (auto result = write(batch.requests); !result.ok()) {
      failed = true;
      batch.error = std::move(result).error();
    }
  }

  void finish(Batch& batch) {
    if (ended) return;
    if (batch.error) {
      ended = true;
      return report(std::move(*batch.error));
    }
    for (auto& request : batch.requests) {
      if (request.done) request.done();
    }
  }
};

namespace {

// The first request of those that will share a sync brings the job that does them.
template <class State>
void enqueue(const std::shared_ptr<State>& state, std::function<Result<void>(Log&)> call,
             std::function<void()> done) {
  {
    std::lock_guard guard(state->mutex);
    state->queue.push_back({std::move(call), std::move(done)});
    if (state->scheduled) return;
    state->scheduled = true;
  }
  auto batch = std::make_shared<typename State::Batch>();
  state->worker->submit([state, batch] { state->run(*batch); }, [state, batch] { state->finish(*batch); });
}

}  // namespace

LogWriter::LogWriter(std::unique_ptr<Log> log, std::unique_ptr<store::Worker> worker,
                     std::function<void(Error)> failed)
    : state_(std::make_shared<State>()) {
  state_->written = log->bytes_written();
  state_->syncs = log->sync_count();
  if (const auto space = log->has_space(); space.ok()) state_->space = *space;
  state_->log = std::move(log);
  state_->worker = std::move(worker);
  state_->report = std::move(failed);
}

LogWriter::~LogWriter() {
  state_->ended = true;
  state_->worker.reset();  // writes what was asked for
}

void LogWriter::set_vote(Term term, ServerId vote, Done done) {
  enqueue(
      state_, [term, vote](Log& log) { return log.set_vote(term, vote); }, std::move(done));
}

void LogWriter::append(std::vector<LogEntry> entries, Done done) {
  auto shared = std::make_shared<std::vector<LogEntry>>(std::move(entries));
  enqueue(
      state_, [shared](Log& log) { return log.append(*shared); }, std::move(done));
}

void LogWriter::truncate_after(Index last) {
  enqueue(
      state_, [last](Log& log) { return log.truncate_after(last); }, nullptr);
}

void LogWriter::trim(Index base) {
  enqueue(
      state_, [base](Log& log) { return log.trim(base); }, nullptr);
}

void LogWriter::restart_at(Index base, Term base_term, Done done) {
  enqueue(
      state_, [base, base_term](Log& log) { return log.restart_at(base, base_term); }, std::move(done));
}

bool LogWriter::has_space() const {
  const bool space = state_->space;
  if (!space && !state_->looking.exchange(true)) enqueue(state_, nullptr, nullptr);
  return space;
}

std::uint64_t LogWriter::bytes_written() const {
  return state_->written;
}

std::uint64_t LogWriter::sync_count() const {
  return state_->syncs;
}

}  // namespace mk::quorum
