#include "http/presentation.h"
#include "http/resource_handlers.h"
#include "http/status.h"
#include "mk/api/protobuf.h"
#include "mk/api/validation.h"
#include "mk/base/ids.h"
#include "mk/base/strings.h"

// GET ...?watch=true: changes as they happen, one JSON document a line, or one protobuf message a frame.
namespace mk::apiserver {

using api::Json;
using api::Object;

namespace {

constexpr auto kBookmarkEvery = std::chrono::seconds(60);
constexpr std::size_t kBatchMax = 64;  // events gathered into one write when the client lags

// The event in protobuf; an object that cannot be told this way becomes an error the client sees.
SharedBytes protobuf_frame(std::string_view type, const Json& object) {
  auto frame = api::encode_protobuf_watch_frame(type, object);
  if (!frame.ok()) frame = api::encode_protobuf_watch_frame("ERROR", status_of(frame.error()));
  return frame.ok() ? SharedBytes(std::move(frame).value()) : SharedBytes();
}

// "{"type":"ADDED","object":" <the object's shared bytes> "}\n"
void append_event(std::vector<SharedBytes>& chunks, const Call& call, EventFrames& frames,
                  std::string_view type, const Object& object) {
  if (call.accepted.encoding == Encoding::kProtobuf) {
    const SharedBytes bytes = object.bytes();
    const auto make = [&] { return protobuf_frame(type, present_object(call, Object(bytes))); };
    chunks.push_back(frames.get(bytes, type, static_cast<int>(call.accepted.transform), make));
    return;
  }
  static const SharedBytes kEnd(std::string("}\n"));
  std::string head = "{\"type\":\"";
  head.append(type).append("\",\"object\":");
  if (call.accepted.transform == Transform::kNone) {
    chunks.emplace_back(std::move(head));
    chunks.push_back(object.bytes());
    chunks.push_back(kEnd);
    return;
  }
  head.append(api::to_json(present_object(call, object))).append("}\n");
  chunks.emplace_back(std::move(head));
}

void append_error(std::vector<SharedBytes>& chunks, const Call& call, const Error& error) {
  if (call.accepted.encoding == Encoding::kProtobuf) {
    chunks.push_back(protobuf_frame("ERROR", status_of(error)));
    return;
  }
  chunks.emplace_back("{\"type\":\"ERROR\",\"object\":" + api::to_json(status_of(error)) + "}\n");
}

std::string_view type_name(WatchItem::Type type) {
  switch (type) {
    case WatchItem::Type::kAdded:
      return "ADDED";
    case WatchItem::Type::kModified:
      return "MODIFIED";
    case WatchItem::Type::kDeleted:
      return "DELETED";
  }
  return "";
}

client::WatchOptions watch_options(const Call& call) {
  client::WatchOptions options;
  options.label_selector = call.query.get("labelSelector");
  options.field_selector = call.query.get("fieldSelector");
  if (!call.info.name.empty()) {
    if (!options.field_selector.empty()) options.field_selector.push_back(',');
    options.field_selector.append("metadata.name=").append(call.info.name);
  }
  options.resource_version = call.query.get("resourceVersion");
  options.allow_bookmarks = call.query.flag("allowWatchBookmarks");
  options.send_initial_events = call.query.flag("sendInitialEvents");
  options.timeout_seconds = parse_int(call.query.get("timeoutSeconds")).value_or(0);
  return options;
}

Error invalid_match(Cause cause) {
  std::vector<Cause> causes;
  causes.push_back(std::move(cause));
  return api::invalid_object(api::Gvk{"meta.k8s.io", "v1", "ListOptions"}, "", std::move(causes));
}

Result<void> check_watch(const Call& call) {
  const auto match = call.query.get("resourceVersionMatch");
  const bool initial = call.query.has("sendInitialEvents");
  if (!initial && !match.empty())
    return invalid_match(
        api::forbidden("resourceVersionMatch",
                       "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
  if (initial && match != "NotOlderThan")
    return invalid_match(api::forbidden(
        "resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
  return ok();
}

// Everything a running watch needs between two events.
struct Stream {
  Stream(Call& call_, EventFrames& frames_, WatchStart start_, std::unique_ptr<net::BodyWriter> body_)
      : call(call_), frames(frames_), start(std::move(start_)), body(std::move(body_)) {}
  Call& call;
  EventFrames& frames;
  WatchStart start;
  std::unique_ptr<net::BodyWriter> body;
  bool bookmarks = false;
};

rt::Task<Result<void>> send_initial(Stream& stream) {
  std::vector<SharedBytes> chunks;
  for (const Object& object : stream.start.initial) {
    append_event(chunks, stream.call, stream.frames, "ADDED", object);
    if (chunks.size() >= kBatchMax * 3) {
      std::vector<SharedBytes> batch;
      batch.swap(chunks);
      MK_CO_TRY(co_await stream.body->write(std::move(batch)));
    }
  }
  stream.start.initial.clear();
  if (stream.start.bookmark_after_initial)
    append_event(chunks, stream.call, stream.frames, "BOOKMARK",
                 bookmark(*stream.call.resource, stream.start.revision, true));
  // An empty write still sends the response's head, which clients wait for.
  co_return co_await stream.body->write(std::move(chunks));
}

// Sends what is there and waits for more, until the watcher ends or the client goes.
rt::Task<> send_changes(Stream& stream, rt::Clock& clock, Cacher& cacher) {
  for (;;) {
    auto item = co_await rt::with_timeout(clock, kBookmarkEvery, stream.start.watcher->next());
    std::vector<SharedBytes> chunks;
    if (!item) {
      if (!stream.bookmarks || !stream.start.watcher->caught_up()) continue;
      // Up to now, not to the resource's own last change: watches of quiet resources, too, can resume from
      // it.
      append_event(chunks, stream.call, stream.frames, "BOOKMARK",
                   bookmark(*stream.call.resource, cacher.revision(), false));
    } else if (!*item && !stream.start.watcher->lagging()) {
      co_return;  // the resource is served in another way from now on: the client watches again
    } else if (!*item) {
      append_error(chunks, stream.call, Error(Reason::kExpired, "the watch fell too far behind; list again"));
      (void)co_await stream.body->write(std::move(chunks));
      co_return;
    } else {
      append_event(chunks, stream.call, stream.frames, type_name((*item)->type), (*item)->object);
      for (std::size_t i = 1; i < kBatchMax; ++i) {
        auto more = stream.start.watcher->try_next();
        if (!more) break;
        append_event(chunks, stream.call, stream.frames, type_name(more->type), more->object);
      }
    }
    if (!(co_await stream.body->write(std::move(chunks))).ok()) co_return;
  }
}

// Ends with the time the client or the server set, or when the client has gone.
rt::Task<> until_over(Stream& stream, rt::Clock& clock, std::int64_t timeout_seconds) {
  if (timeout_seconds <= 0) {
    // Between 30 and 60 minutes, so that watches of a restarted server do not all end at once.
    timeout_seconds = 1800 + static_cast<unsigned char>(random_bytes(1)[0]) * 7;
  }
  co_await rt::race(clock.sleep_for(std::chrono::seconds(timeout_seconds)),
                    stream.call.exchange->client_gone());
}

}  // namespace

rt::Task<> ResourceHandlers::watch(Call& call) {
  client::WatchOptions options = watch_options(call);
  auto checked = check_watch(call);
  if (checked.ok() && registry_.cacher().may_be_behind(options.resource_version))
    checked = co_await registry_.cacher().store().linearize();
  const bool any_version = options.resource_version.empty() || options.resource_version == "0";
  if (any_version && call.query.has("sendInitialEvents") && !options.send_initial_events)
    options.resource_version = std::to_string(registry_.cacher().revision());  // what is new from now on
  auto start = checked.ok() ? start_watch(registry_.cacher(), *call.resource, call.info.ns, options)
                            : Result<WatchStart>(checked.error());
  if (!start.ok() && !start.error().is(Reason::kExpired)) {
    co_await answer_error(call, std::move(start).error());
    co_return;
  }
  call.status = 200;
  const bool protobuf = call.accepted.encoding == Encoding::kProtobuf;
  const std::string_view type =
      protobuf ? "application/vnd.kubernetes.protobuf;stream=watch" : "application/json";
  auto body = co_await call.exchange->start(200, answer_headers(call, type));
  if (!body.ok()) co_return;
  if (!start.ok()) {
    // As Kubernetes does it: the stream opens, says that the version is gone, and ends.
    std::vector<SharedBytes> chunks;
    append_error(chunks, call, start.error());
    (void)co_await (*body)->write(std::move(chunks));
    (void)co_await (*body)->finish();
    co_return;
  }
  Stream stream(call, frames_, std::move(start).value(), std::move(body).value());
  stream.bookmarks = options.allow_bookmarks;
  if (!(co_await send_initial(stream)).ok()) co_return;
  rt::Clock& clock = registry_.clock();
  co_await rt::race(send_changes(stream, clock, registry_.cacher()),
                    until_over(stream, clock, options.timeout_seconds));
  (void)co_await stream.body->finish();
}

}  // namespace mk::apiserver
