#include "http/front.h"

#include <algorithm>

#include "auth/impersonation.h"
#include "mk/api/protobuf.h"
#include "mk/base/ids.h"
#include "mk/base/strings.h"

namespace mk::apiserver {

namespace {

// A list or watch of one name is about that name.
std::string name_asked(const Call& call) {
  constexpr std::string_view kByName = "metadata.name=";
  const auto selector = call.query.get("fieldSelector");
  const bool one = selector.starts_with(kByName) && selector.find(',') == std::string_view::npos;
  return call.info.name.empty() && one ? std::string(selector.substr(kByName.size())) : call.info.name;
}

// Counts a request while it runs, also one that is cancelled.
class InFlight {
 public:
  explicit InFlight(Metrics& metrics) : metrics_(metrics) { metrics_.request_started(); }
  ~InFlight() { metrics_.request_ended(); }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

 private:
  Metrics& metrics_;
};

// The request as metrics name it. What does not exist gets no series of its own: clients could make any
// number.
RequestInfo countable(const Call& call) {
  constexpr std::string_view kVerbs[] = {"get",    "list",  "watch",  "create",
                                         "update", "patch", "delete", "deletecollection",
                                         "post",   "put",   "head",   "options"};
  RequestInfo out = call.info;
  if (std::find(std::begin(kVerbs), std::end(kVerbs), out.verb) == std::end(kVerbs)) out.verb = "other";
  if (call.resource == nullptr) out.group = out.resource = out.subresource = "";
  if (!out.subresource.empty() && call.resource->subresource(out.subresource) == nullptr)
    out.subresource = "";
  return out;
}

}  // namespace

Attributes attributes_of(const Call& call) {
  Attributes out;
  out.user = call.user;
  out.verb = call.info.verb;
  out.resource_request = call.info.resource_request;
  out.group = call.info.group;
  out.version = call.info.version;
  out.resource = call.info.resource;
  out.subresource = call.info.subresource;
  out.ns = call.info.ns;
  out.name = name_asked(call);
  out.path = call.info.path;
  out.field_selector = call.query.get("fieldSelector");
  out.label_selector = call.query.get("labelSelector");
  return out;
}

rt::Task<> Front::handle(std::shared_ptr<net::Exchange> exchange) {
  const net::Request& request = exchange->request();
  const auto path = url_decode(request.path(), false).value_or(std::string(request.path()));
  const net::Query query(request.query());
  Call call(exchange, parse_request(request.method, path, query.flag("watch") && query.has("watch")));
  call.audit_id = new_uid();
  const auto started = parts_.clock.mono();
  const InFlight running(parts_.metrics);
  co_await answer(call);
  parts_.metrics.count(countable(call), call.status, parts_.clock.mono() - started);
}

Result<UserInfo> Front::identify(const net::Exchange& exchange) {
  Credentials credentials;
  credentials.certificate = exchange.client_certificate();
  credentials.certificate_error = exchange.client_certificate_error();
  credentials.authorization = exchange.request().headers.get("Authorization");
  MK_ASSIGN(UserInfo user, parts_.authenticator.authenticate(credentials));
  MK_ASSIGN(auto other, impersonate(user, exchange.request().headers, parts_.authorizer));
  return other ? std::move(*other) : std::move(user);
}

Result<void> Front::authorize(Call& call) {
  const Attributes asked = attributes_of(call);
  const Decision decision = parts_.authorizer.authorize(asked);
  if (decision.allowed) return ok();
  return forbidden_error(asked, decision);
}

rt::Task<> Front::answer(Call& call) {
  // A node that joins has no credentials that the API knows yet.
  if (Join::handles(call.info)) {
    co_await parts_.join.handle(call);
    co_return;
  }
  auto accepted = negotiate(call.exchange->request().headers.get("Accept"));
  if (accepted.ok()) call.accepted = *accepted;
  auto user = identify(*call.exchange);
  if (!user.ok()) {
    co_await answer_error(call, std::move(user).error());
    co_return;
  }
  call.user = std::move(user).value();
  call.flow = parts_.fairness.classify(call.user, call.info);
  Seats seats;
  if (!Fairness::is_long_running(call.info)) {
    const int wanted = parts_.fairness.seats_of(call.info, *call.flow.level);
    seats = call.flow.level->try_enter(wanted);
    if (!seats) {
      auto waited = co_await call.flow.level->wait(call.flow.schema->flow_of(call.user, call.info), wanted,
                                                   Fairness::kPatience);
      if (!waited.ok()) {
        co_await answer_error(call, std::move(waited).error());
        co_return;
      }
      seats = std::move(waited).value();
    }
  }
  co_await answer_in_turn(call, std::move(accepted));
}

rt::Task<> Front::answer_in_turn(Call& call, Result<Accepted> accepted) {
  if (auto allowed = authorize(call); !allowed.ok()) {
    co_await answer_error(call, std::move(allowed).error());
    co_return;
  }
  const bool streams_text = call.info.resource_request && NodeProxy::handles(call.info);
  if (!accepted.ok() && !streams_text && call.info.resource_request) {
    co_await answer_error(call, std::move(accepted).error());
    co_return;
  }
  if (ServerPaths::handles(call.info)) {
    co_await parts_.servers.handle(call);
    co_return;
  }
  if (!call.info.resource_request) {
    co_await parts_.paths.handle(call);
    co_return;
  }
  call.resource = parts_.table.find(api::Gvr{call.info.group, call.info.version, call.info.resource});
  // Namespaced objects live below a namespace and others do not; only reading across all of them is the
  // exception.
  const bool across =
      call.info.verb == "list" || call.info.verb == "watch" || call.info.verb == "deletecollection";
  const bool cluster_path =
      call.info.ns.empty() || (call.info.group.empty() && call.info.resource == "namespaces");
  const bool wrong_scope =
      call.resource != nullptr && (call.resource->namespaced ? cluster_path && !across : !cluster_path);
  if (call.resource == nullptr || wrong_scope) {
    co_await answer_error(call, Error(Reason::kNotFound, "the server could not find the requested resource"));
    co_return;
  }
  // A namespace is its own namespace for authorization only.
  if (!call.resource->namespaced) call.info.ns.clear();
  if (call.accepted.encoding == Encoding::kProtobuf && !api::has_protobuf(call.resource->gvk())) {
    if (!call.accepted.otherwise) {
      co_await answer_error(call, not_acceptable());
      co_return;
    }
    call.accepted = Accepted(*call.accepted.otherwise);
  }
  co_await parts_.resources.handle(call);
}

}  // namespace mk::apiserver
