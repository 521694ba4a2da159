#include "server/spdy_streams.h"

#include <algorithm>
#include <map>

#include "mk/base/strings.h"
#include "mk/net/spdy.h"
#include "mk/rt/event.h"
#include "pods/pod_view.h"
#include "server/stream_session.h"

namespace mk::kubelet {

namespace {

using StreamPtr = std::shared_ptr<net::SpdyStream>;

constexpr auto kStreamsWithin = std::chrono::seconds(30);

// The protocol that is chosen is also the answer's, so that it can be asked for afterwards.
std::string chosen_protocol(const net::Request& request, const std::vector<std::string>& ours) {
  for (const auto& [name, value] : request.headers.all()) {
    if (to_lower(name) != "x-stream-protocol-version") continue;
    for (const auto part : split(value, ','))
      if (std::find(ours.begin(), ours.end(), trim(part)) != ours.end()) return std::string(trim(part));
  }
  return "";
}

std::vector<std::string> exec_protocols() {
  return {"v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"};
}

class SpdyStreams {
 public:
  SpdyStreams(net::SpdySession& session, ExecOptions options, bool tells_status)
      : session_(session), options_(std::move(options)), tells_status_(tells_status) {}

  // Until all that the client announced have come.
  rt::Task<> collect() {
    std::size_t left = 1 + (options_.stdin ? 1 : 0) + (options_.stdout ? 1 : 0) + (options_.stderr ? 1 : 0) +
                       (options_.tty ? 1 : 0);
    while (left > 0) {
      auto stream = co_await session_.accept();
      if (!stream) co_return;
      left -= streams_.emplace(std::string(stream->headers().get("streamtype")), stream).second ? 1 : 0;
    }
    complete_ = true;
  }
  bool complete() const { return complete_; }

  rt::Task<> refuse(Error error) {
    const Result<int> failed = std::move(error);
    co_await end(failed);
  }

  rt::Task<> run(std::unique_ptr<ExecSession> program) {
    program_ = std::move(program);
    co_await rt::race(outputs(), from_client());
  }

 private:
  StreamPtr stream(const char* type) const {
    const auto found = streams_.find(type);
    return found == streams_.end() ? nullptr : found->second;
  }

  static rt::Task<> pump(rt::AsyncFd* from, StreamPtr to) {
    while (from != nullptr && to) {
      auto data = co_await from->read_some(32 << 10);
      if (!data.ok() || data->empty() || !(co_await to->write(std::move(*data))).ok()) break;
    }
    if (to) co_await to->finish();
  }
  rt::Task<> pump_errors() {
    co_await pump(program_->error(), stream("stderr"));
    errors_done_ = true;
    progress_.notify_all();
    rt::Event never;
    co_await never.wait();
  }
  rt::Task<> pump_output() {
    co_await pump(program_->output(), stream("stdout"));
    while (!errors_done_) co_await progress_.wait();
  }

  rt::Task<> outputs() {
    co_await rt::race(pump_output(), pump_errors());
    co_await end(co_await program_->wait());
  }

  rt::Task<> end(Result<int> exit_code) {
    const StreamPtr error = stream("error");
    if (!error) co_return;
    std::string words = exit_status_json(exit_code);
    const bool fine = exit_code.ok() && *exit_code == 0;
    if (!tells_status_) words = fine ? "" : std::string(api::str(*api::parse_json(words), "message"));
    if (!words.empty()) (void)co_await error->write(std::move(words));
    co_await error->finish();
  }

  rt::Task<> from_client() { co_await rt::race(inputs(), sizes()); }  // never ends by itself

  rt::Task<> inputs() {
    const StreamPtr from = stream("stdin");
    while (from) {
      auto data = co_await from->read();
      if (!data.ok() || data->empty()) break;
      rt::AsyncFd* input = program_->input();
      if (input != nullptr) (void)co_await input->write_all(std::move(*data));
    }
    if (from) program_->close_input();
    rt::Event never;
    co_await never.wait();
  }

  // One JSON document after the other: {"Width":80,"Height":24}.
  rt::Task<> sizes() {
    std::string text;
    for (const StreamPtr from = stream("resize"); from;) {
      auto data = co_await from->read();
      if (!data.ok() || data->empty()) break;
      text += *data;
      for (auto close = text.find('}'); close != std::string::npos; close = text.find('}')) {
        const auto size = api::parse_json(text.substr(0, close + 1));
        text.erase(0, close + 1);
        if (!size.ok()) continue;
        const auto columns = api::num(*size, "Width"), rows = api::num(*size, "Height");
        if (columns > 0 && columns < 65536 && rows > 0 && rows < 65536)
          program_->resize(static_cast<int>(columns), static_cast<int>(rows));
      }
    }
    rt::Event never;
    co_await never.wait();
  }

  net::SpdySession& session_;
  const ExecOptions options_;
  const bool tells_status_;
  std::map<std::string, StreamPtr> streams_;
  std::unique_ptr<ExecSession> program_;
  bool complete_ = false, errors_done_ = false;
  rt::Event progress_;
};

using Open = std::function<rt::Task<Result<std::unique_ptr<ExecSession>>>()>;

rt::Task<> serve(rt::Clock& clock, net::SpdySession& session, ExecOptions options, bool tells_status,
                 Open open) {
  SpdyStreams streams(session, std::move(options), tells_status);
  co_await rt::race(streams.collect(), clock.sleep_for(kStreamsWithin));
  if (!streams.complete()) co_return;
  auto program = co_await open();
  if (program.ok())
    co_await streams.run(std::move(*program));
  else
    co_await streams.refuse(std::move(program).error());
}

}  // namespace

bool wants_spdy(const net::Request& request) {
  return to_lower(request.headers.get("Upgrade")) == "spdy/3.1";
}

rt::Task<Result<std::shared_ptr<net::RawStream>>> upgrade_to_spdy(std::shared_ptr<net::Exchange> exchange,
                                                                  std::vector<std::string> protocols) {
  net::Headers headers;
  const bool asked = exchange->request().headers.has("X-Stream-Protocol-Version");
  const std::string chosen = chosen_protocol(exchange->request(), protocols);
  if (asked && chosen.empty())
    co_return Error(Reason::kForbidden, "unable to upgrade: unable to negotiate protocol: server supports " +
                                            join(protocols, ", "));
  if (!chosen.empty()) headers.set("X-Stream-Protocol-Version", chosen);
  auto raw = co_await exchange->upgrade("SPDY/3.1", std::move(headers));
  if (!raw.ok()) co_return std::move(raw).error();
  co_return std::shared_ptr<net::RawStream>(std::move(*raw));
}

rt::Task<Result<void>> serve_spdy_streams(rt::Clock& clock, std::shared_ptr<net::Exchange> exchange,
                                          ExecOptions options, Open open) {
  MK_CO_ASSIGN(auto raw, co_await upgrade_to_spdy(exchange, exec_protocols()));
  const bool tells_status = chosen_protocol(exchange->request(), exec_protocols()) == "v4.channel.k8s.io";
  const auto session = net::serve_spdy(raw);
  co_await rt::race(session->run(),
                    serve(clock, *session, std::move(options), tells_status, std::move(open)));
  co_return ok();
}

}  // namespace mk::kubelet
