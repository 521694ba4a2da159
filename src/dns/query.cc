#include "query.h"

#include <algorithm>

namespace mk::dns {

namespace {

constexpr std::size_t kUdpMin = 512, kUdpMax = 4096, kTcpMax = 65535;

// Why a message is not answered by look-up; kNoError when it is.
std::uint16_t protocol_error(const Message& message) {
  if (message.opcode != 0) return kNotImp;
  if (message.questions.size() != 1) return kFormErr;
  if (message.edns && message.edns->version != 0) return kBadVers;
  const auto& question = message.questions[0];
  if (question.klass != kClassIn) return kRefused;
  if (question.type == kAxfr || question.type == kIxfr) return kRefused;
  return question.type == kOpt ? kFormErr : kNoError;
}

}  // namespace

Query Responder::read(std::string_view packet, bool udp) {
  Query query;
  auto decoded = decode(packet);
  if (!decoded.ok()) {
    query.ready = true;
    query.reply = form_error_for(packet);
    return query;
  }
  query.message = std::move(decoded).value();
  const Message& message = query.message;
  query.ready = true;
  if (message.response) return query;
  query.size_max = kTcpMax;
  if (udp)
    query.size_max =
        message.edns ? std::clamp<std::size_t>(message.edns->udp_size, kUdpMin, kUdpMax) : kUdpMin;
  query.answer.rcode = protocol_error(message);
  if (query.answer.rcode == kNoError) {
    const auto& question = message.questions[0];
    if (!synced_() &&
        (answerer_.in_domain(question.name) || !reverse_address(name_to_text(question.name)).empty())) {
      query.answer.rcode = kServFail;
    } else {
      query.answer = answerer_.answer(question);
      query.ready = query.answer.ours && query.answer.chase.empty();
    }
  }
  if (query.ready) query.reply = encode_answer(query);
  return query;
}

rt::Task<std::string> Responder::finish(Query query) {
  UpstreamQuestion question;
  question.question = query.message.questions[0];
  if (!query.answer.chase.empty()) question.question.name = query.answer.chase;
  question.dnssec_ok = query.message.edns && query.message.edns->dnssec_ok;
  question.checking_disabled = query.message.checking_disabled;
  auto reply = co_await forwarder_.ask(std::move(question));
  auto& answer = query.answer;
  if (!reply.ok()) {
    answer.rcode = kServFail;
    co_return encode_answer(query);
  }
  const Message& found = **reply;
  answer.rcode = found.rcode;
  answer.answers.insert(answer.answers.end(), found.answers.begin(), found.answers.end());
  answer.authorities = found.authorities;
  if (answer.chase.empty()) answer.additionals = found.additionals;
  co_return encode_answer(query);
}

std::string Responder::encode_answer(const Query& query) {
  const Message& asked = query.message;
  Message reply;
  reply.id = asked.id;
  reply.response = true;
  reply.opcode = asked.opcode;
  reply.recursion_desired = asked.recursion_desired;
  reply.checking_disabled = asked.checking_disabled;
  reply.recursion_available = forwarder_.available();
  reply.authoritative = query.answer.ours;
  reply.rcode = query.answer.rcode;
  reply.questions = asked.questions;
  reply.answers = query.answer.answers;
  reply.authorities = query.answer.authorities;
  reply.additionals = query.answer.additionals;
  if (asked.edns) reply.edns = Edns{static_cast<std::uint16_t>(kUdpMax), 0, asked.edns->dnssec_ok};
  if (!asked.edns && reply.rcode > 0xf) reply.rcode = kServFail;
  return encode(reply, query.size_max);
}

}  // namespace mk::dns
