#pragma once

#include <functional>
#include <string>

#include "answer.h"
#include "message.h"
#include "mk/rt/task.h"
#include "upstream.h"

namespace mk::dns {

// One question on its way to its answer.
struct Query {
  bool ready = false;  // `reply` is final; "" means: no reply at all
  std::string reply;
  Message message;  // what was asked
  std::size_t size_max = 512;
  Answer answer;  // what the cluster knows of it
};

// From packet to packet. What the cluster knows is answered at once, without a task.
class Responder {
 public:
  // References must outlive the responder; `synced` says whether the zone is complete.
  Responder(const Answerer& answerer, Forwarder& forwarder, std::function<bool()> synced)
      : answerer_(answerer), forwarder_(forwarder), synced_(std::move(synced)) {}

  Query read(std::string_view packet, bool udp);
  // For a query that read() left unready.
  rt::Task<std::string> finish(Query query);

 private:
  std::string encode_answer(const Query& query);

  const Answerer& answerer_;
  Forwarder& forwarder_;
  std::function<bool()> synced_;
};

}  // namespace mk::dns
