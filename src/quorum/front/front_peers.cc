#include "front/front.h"
#include "mk/base/log.h"

// What the fronts of other servers ask, and what is asked of them.
namespace mk::quorum {
namespace {

constexpr mk::Log kLog("quorum");
constexpr auto kAgain = std::chrono::milliseconds(300);
constexpr int kTries = 10;

}  // namespace

void Front::frame_received(ServerId from, SharedBytes frame) {
  auto decoded = decode_front_message(frame.view());
  if (!decoded.ok()) {
    kLog.warn("a server sent what is no message", "from", from);
    return;
  }
  FrontMessage message = std::move(decoded).value();
  switch (message.kind) {
    case FrontMessage::Kind::kCommit:
      return group_.spawn("commit of another server", serve_commit(from, std::move(message)));
    case FrontMessage::Kind::kFlush:
      return group_.spawn("flush for another server", serve_flush(from, std::move(message)));
    case FrontMessage::Kind::kRefused:
      return forwarder_.refused(message);
    case FrontMessage::Kind::kFlushed:
      if (const auto found = flushes_.find(message.request); found != flushes_.end())
        found->second = message.index;
      return news_.notify_all();
  }
}

FrontMessage Front::refusal(const FrontMessage& request, Reason reason, std::string text) const {
  FrontMessage out;
  out.kind = FrontMessage::Kind::kRefused;
  out.term = request.term;
  out.request = request.request;
  out.reason = reason;
  out.text = std::move(text);
  if (reason == Reason::kConflict) out.index = delivered_;
  return out;
}

// The asker waits until it finds the request in its own log, so that its readers see what it has written.
// That is why a lazy commit of another server is written at once: only this server's memory would have it.
rt::Task<> Front::serve_commit(ServerId from, FrontMessage message) {
  if (!pipeline_.leading() || raft_->status().term != message.term || stopping_) {
    raft_->send_front(from, encode(refusal(message, Reason::kUnknown, "")));
    co_return;
  }
  auto& served = served_[from];
  served.erase(served.begin(), served.lower_bound(message.oldest));
  const auto [known, fresh] = served.emplace(message.request, std::nullopt);
  if (!fresh) {  // it runs, or is in the log, or was refused
    if (known->second) raft_->send_front(from, encode(*known->second));
    co_return;
  }
  const std::uint64_t epoch = epoch_;
  auto outcome =
      co_await commit_here(message.operations, store::Durability::kDurable, Origin{from, message.request, 0});
  if (epoch != epoch_ || failure_) co_return;  // the asker finds out by itself
  if (outcome && (outcome->ok() || outcome->error().is(Reason::kTimeout))) co_return;
  const Error error = outcome ? outcome->error() : Error(Reason::kUnknown, "");
  const FrontMessage refused = refusal(message, error.reason(), error.message());
  served_[from][message.request] = refused;
  raft_->send_front(from, encode(refused));
}

rt::Task<> Front::serve_flush(ServerId from, FrontMessage message) {
  if (!pipeline_.leading()) co_return;
  auto settled = co_await settle(revision_);
  if (!settled.ok()) co_return;
  FrontMessage out;
  out.kind = FrontMessage::Kind::kFlushed;
  out.term = message.term;
  out.request = message.request;
  out.index = delivered_;
  raft_->send_front(from, encode(out));
}

rt::Task<Result<void>> Front::flush_leader() {
  if (pipeline_.leading()) co_return ok();  // shown here as it is
  const std::uint64_t id = next_flush_++;
  flushes_[id] = std::nullopt;
  for (int left = kTries; left > 0 && !flushes_[id] && !pipeline_.leading(); --left) {
    const Status now = raft_->status();
    FrontMessage ask;
    ask.kind = FrontMessage::Kind::kFlush;
    ask.term = now.term;
    ask.request = id;
    if (now.leader != 0 && now.leader != options_.id) raft_->send_front(now.leader, encode(ask));
    const rt::MonoTime again = doors_.clock.mono() + kAgain;
    while (!flushes_[id] && !pipeline_.leading() && doors_.clock.mono() < again)
      co_await rt::race(news_.wait(), doors_.clock.sleep_for(kAgain));
  }
  const auto index = flushes_[id];
  flushes_.erase(id);
  if (pipeline_.leading()) co_return ok();
  if (!index)
    co_return Error(Reason::kServiceUnavailable,
                    "no server leads: more than half of them must run and reach each other");
  co_await wait_delivered(*index);
  co_return ok();
}

}  // namespace mk::quorum
