#include "front/forwarder.h"

namespace mk::quorum {
namespace {

using store::Revision;

// Between two looks for a leader, and before a frame that may be lost is sent again.
constexpr auto kLook = std::chrono::milliseconds(20);
constexpr auto kAgain = std::chrono::milliseconds(500);

}  // namespace

rt::Task<std::optional<Result<Revision>>> Forwarder::commit(std::vector<store::Operation> operations,
                                                            store::Durability durability,
                                                            rt::MonoTime deadline) {
  auto request = std::make_shared<Request>();
  request->id = next_request_++;
  (*requests_)[request->id] = request;
  const auto forget = [requests = requests_](const Request* gone) { requests->erase(gone->id); };
  const std::unique_ptr<Request, decltype(forget)> guard(request.get(), forget);
  while (!request->revision && !request->skipped && doors_.clock.mono() < deadline) {
    if (request->refusal) co_return co_await refusal(request);
    const Status status = doors_.status();
    if (status.leader == 0 || (status.leader == self_ && !status.leading)) {
      co_await wait(request, kLook);
      continue;
    }
    if (request->sent != status.term && request->sent != 0) {
      const bool may = co_await may_send(request, status.term);
      if (!may) continue;
    }
    if (status.leader == self_) co_return std::nullopt;
    if (request->sent != status.term) request->copies = 0;
    request->sent = status.term;
    ++request->copies;
    doors_.send(status.leader, frame(*request, operations, durability));
    co_await wait(request, kAgain);
  }
  if (request->revision) co_return Answer(Result<Revision>(*request->revision));
  if (request->sent == 0)
    co_return Answer(Error(Reason::kServiceUnavailable,
                           "no server leads: more than half of them must run and reach each other"));
  co_return Answer(Error(Reason::kTimeout, "the leader was lost while it wrote this: it may have happened"));
}

SharedBytes Forwarder::frame(const Request& request, std::vector<store::Operation> operations,
                             store::Durability durability) const {
  FrontMessage out;
  out.kind = FrontMessage::Kind::kCommit;
  out.term = request.sent;
  out.request = request.id;
  out.oldest = requests_->begin()->first;
  out.durability = durability;
  out.operations = std::move(operations);
  return encode(out);
}

// It was sent in another term. Who led then can add nothing to the log any more once a later leader's read
// point is reached; so what has not been seen by then has not happened, unless the term changes again.
rt::Task<bool> Forwarder::may_send(std::shared_ptr<Request> request, Term term) {
  auto caught_up = co_await doors_.catch_up();
  if (!caught_up.ok()) {
    co_await wait(request, kLook);
    co_return false;
  }
  if (request->revision || doors_.status().term != term) co_return false;
  request->refusal.reset();
  co_return true;
}

rt::Task<std::optional<Result<Revision>>> Forwarder::refusal(std::shared_ptr<Request> request) {
  const FrontMessage message = *request->refusal;
  // Whoever reads after the refusal sees the reason for it.
  if (message.index != 0) co_await doors_.wait_delivered(message.index);
  if (message.reason == Reason::kUnknown) {
    co_await wait(request, kLook);
    co_return std::nullopt;
  }
  co_return Answer(Error(message.reason, message.text));
}

// A notification between the check and the wait is impossible, one from before is seen by the caller's loop.
rt::Task<> Forwarder::wait(std::shared_ptr<Request> request, rt::Duration at_most) {
  co_await rt::race(request->news.wait(), doors_.clock.sleep_for(at_most));
}

void Forwarder::resolve(const std::vector<Origin>& origins) {
  for (const auto& origin : origins) {
    if (origin.server != self_) continue;
    const auto found = requests_->find(origin.request);
    if (found == requests_->end()) continue;
    found->second->revision = origin.revision;
    found->second->news.notify_all();
  }
}

void Forwarder::skip_entries() {
  for (const auto& [id, request] : *requests_) {
    request->skipped = request->sent != 0;
    request->news.notify_all();
  }
}

void Forwarder::refused(const FrontMessage& message) {
  const auto found = requests_->find(message.request);
  // One of an earlier term tells nothing about the request as it was sent again.
  if (found == requests_->end() || found->second->sent != message.term) return;
  // One that knows nothing of the request (it does not lead, any more or again) says nothing of an earlier
  // copy.
  if (message.reason == Reason::kUnknown && found->second->copies > 1) return;
  found->second->refusal = message;
  found->second->news.notify_all();
}

}  // namespace mk::quorum
