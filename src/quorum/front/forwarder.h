#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "front/command.h"
#include "front/front_message.h"
#include "mk/quorum/replicated_store.h"
#include "mk/rt/event.h"

namespace mk::quorum {

// Commits of a server that does not lead: sent to who does, and known to have happened when they are found in
// the log, whose entries say which request they hold. After a change of leaders a request goes to the new one
// only when everything of earlier terms has been read and it was not among it: it cannot happen twice.
class Forwarder {
 public:
  struct Doors {
    rt::Clock& clock;
    std::function<Status()> status;
    std::function<void(ServerId to, SharedBytes frame)> send;
    // Everything of earlier terms has been delivered here when this is done.
    std::function<rt::Task<Result<void>>()> catch_up;
    std::function<rt::Task<>(Index)> wait_delivered;
  };

  Forwarder(Doors doors, ServerId self, std::uint64_t first_request)
      : doors_(std::move(doors)), self_(self), next_request_(first_request) {}

  // nullopt: nothing of it happened, and this server leads or nobody does: try again.
  rt::Task<std::optional<Result<store::Revision>>> commit(std::vector<store::Operation> operations,
                                                          store::Durability durability,
                                                          rt::MonoTime deadline);
  // The log has these.
  void resolve(const std::vector<Origin>& origins);
  void refused(const FrontMessage& message);
  // A snapshot took the place of entries: what was sent may have been among them.
  void skip_entries();

 private:
  struct Request {
    std::uint64_t id = 0;
    Term sent = 0;         // in which term; 0: never
    int copies = 0;        // in that term
    bool skipped = false;  // a part of the log that may have held it was never seen here
    std::optional<store::Revision> revision;
    std::optional<FrontMessage> refusal;
    rt::Event news;
  };
  using Answer = std::optional<Result<store::Revision>>;

  SharedBytes frame(const Request& request, std::vector<store::Operation> operations,
                    store::Durability durability) const;
  rt::Task<bool> may_send(std::shared_ptr<Request> request, Term term);
  rt::Task<Answer> refusal(std::shared_ptr<Request> request);
  rt::Task<> wait(std::shared_ptr<Request> request, rt::Duration at_most);

  const Doors doors_;
  const ServerId self_;
  std::uint64_t next_request_;
  // Shared with the commits that wait: one of them may be destroyed after this.
  using Requests = std::map<std::uint64_t, std::shared_ptr<Request>>;
  const std::shared_ptr<Requests> requests_ = std::make_shared<Requests>();
};

}  // namespace mk::quorum
