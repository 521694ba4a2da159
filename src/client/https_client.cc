#include "mk/client/https_client.h"

#include "mk/base/strings.h"

namespace mk::client {
namespace {

constexpr std::size_t kEventMax = 64 << 20;  // bytes of one watch event

// Parameters in the order they are added; the empty ones are left out.
class QueryText {
 public:
  void add(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    text_ += text_.empty() ? "?" : "&";
    text_ += std::string(name) + "=" + url_encode(value);
  }
  void add(std::string_view name, std::int64_t value) {
    if (value != 0) add(name, std::string_view(std::to_string(value)));
  }
  void flag(std::string_view name, bool value) {
    if (value) add(name, std::string_view("true"));
  }
  const std::string& str() const { return text_; }

 private:
  std::string text_;
};

std::string list_query(const ListOptions& options) {
  QueryText query;
  query.add("labelSelector", options.label_selector);
  query.add("fieldSelector", options.field_selector);
  query.add("resourceVersion", options.resource_version);
  query.add("resourceVersionMatch", options.resource_version_match);
  query.add("limit", options.limit);
  query.add("continue", options.continue_token);
  return query.str();
}

std::string watch_query(const WatchOptions& options) {
  QueryText query;
  query.flag("watch", true);
  query.add("labelSelector", options.label_selector);
  query.add("fieldSelector", options.field_selector);
  query.add("resourceVersion", options.resource_version);
  query.flag("allowWatchBookmarks", options.allow_bookmarks);
  if (options.send_initial_events) {
    query.flag("sendInitialEvents", true);
    query.add("resourceVersionMatch", "NotOlderThan");
  }
  query.add("timeoutSeconds", options.timeout_seconds);
  return query.str();
}

std::string delete_body(const DeleteOptions& options) {
  api::JsonObject body{{"kind", "DeleteOptions"}, {"apiVersion", "v1"}};
  api::JsonObject preconditions;
  if (!options.uid.empty()) preconditions["uid"] = api::text(options.uid);
  if (!options.resource_version.empty())
    preconditions["resourceVersion"] = api::text(options.resource_version);
  if (!preconditions.empty()) body["preconditions"] = std::move(preconditions);
  if (!options.propagation.empty()) body["propagationPolicy"] = api::text(options.propagation);
  if (options.grace_period_seconds >= 0) body["gracePeriodSeconds"] = options.grace_period_seconds;
  return api::to_json(api::Json(std::move(body)));
}

std::string_view content_type(PatchType type) {
  switch (type) {
    case PatchType::kJson:
      return "application/json-patch+json";
    case PatchType::kMerge:
      return "application/merge-patch+json";
    case PatchType::kStrategicMerge:
      return "application/strategic-merge-patch+json";
    case PatchType::kApply:
      return "application/apply-patch+yaml";  // JSON is YAML
  }
  return "";
}

Error status_error(const api::Json& status, int code) {
  Reason reason = reason_from_string(api::str(status, "reason"));
  if (reason == Reason::kUnknown) reason = reason_from_http(static_cast<int>(api::num(status, "code", code)));
  std::string message(api::str(status, "message"));
  if (message.empty()) message = "the server answered " + std::to_string(code);
  Error error(reason, std::move(message));
  error.group = api::str(status, "details.group");
  error.kind = api::str(status, "details.kind");
  error.name = api::str(status, "details.name");
  error.retry_after_seconds = static_cast<int>(api::num(status, "details.retryAfterSeconds"));
  for (const auto& cause : api::list(status, "details.causes"))
    error.causes.emplace_back(std::string(api::str(cause, "field")), std::string(api::str(cause, "reason")),
                              std::string(api::str(cause, "message")));
  return error;
}

Result<api::Object> object_from(const std::string& body) {
  auto json = api::parse_json(body);
  if (!json) return std::move(json).error().wrap("the server's answer");
  if (!json->is_object()) return Error(Reason::kInternalError, "the server's answer is no object");
  return api::Object(std::move(*json));
}

// Items of a list do not repeat what kind they are.
Result<ObjectList> list_from(const std::string& body) {
  auto json = api::parse_json(body);
  if (!json) return std::move(json).error().wrap("the server's answer");
  const auto* items = api::find(*json, "items");
  if (items && !items->is_array()) return Error(Reason::kInternalError, "the server's answer is no list");
  ObjectList out;
  out.resource_version = api::str(*json, "metadata.resourceVersion");
  out.continue_token = api::str(*json, "metadata.continue");
  std::string kind(api::str(*json, "kind"));
  if (kind.size() > 4 && kind.substr(kind.size() - 4) == "List") kind.resize(kind.size() - 4);
  const std::string version(api::str(*json, "apiVersion"));
  if (!items) return out;
  for (auto& item : json->as_object()["items"].as_array()) {
    if (!item.is_object())
      return Error(Reason::kInternalError, "the server's list holds something that is no object");
    auto& object = item.as_object();
    if (!object.contains("kind")) object["kind"] = api::text(kind);
    if (!object.contains("apiVersion")) object["apiVersion"] = api::text(version);
    out.items.emplace_back(std::move(item));
  }
  return out;
}

Result<WatchEvent> event_from(std::string_view line) {
  auto json = api::parse_json(line);
  if (!json) return std::move(json).error().wrap("watch event");
  const auto type = api::str(*json, "type");
  const auto* object = api::find(*json, "object");
  if (!object || !object->is_object()) return Error(Reason::kInternalError, "watch event without an object");
  if (type == "ERROR") {
    Error error = status_error(*object, 500);
    // Both spellings of "this version is history": list again.
    if (error.is(Reason::kGone)) return Error(Reason::kExpired, error.message());
    return error;
  }
  WatchEvent::Type known = WatchEvent::Type::kAdded;
  if (type == "MODIFIED") {
    known = WatchEvent::Type::kModified;
  } else if (type == "DELETED") {
    known = WatchEvent::Type::kDeleted;
  } else if (type == "BOOKMARK") {
    known = WatchEvent::Type::kBookmark;
  } else if (type != "ADDED") {
    return Error(Reason::kInternalError, "unknown watch event " + std::string(type));
  }
  return WatchEvent(known, api::Object(std::move(json->as_object()["object"])));
}

// Events are lines of JSON, cut anywhere by the transport.
class HttpsWatch : public Watch {
 public:
  explicit HttpsWatch(std::unique_ptr<net::BodyReader> body) : body_(std::move(body)) {}

  rt::Task<Result<WatchEvent>> next() override {
    for (;;) {
      const auto end = buffer_.find('\n', searched_);
      if (end != std::string::npos) {
        const std::string line = buffer_.substr(start_, end - start_);
        start_ = searched_ = end + 1;
        if (trim(line).empty()) continue;
        co_return event_from(line);
      }
      buffer_.erase(0, start_);
      start_ = 0;
      searched_ = buffer_.size();
      if (buffer_.size() > kEventMax) co_return Error(Reason::kInternalError, "a watch event is too large");
      if (buffer_.empty()) buffer_.shrink_to_fit();
      auto more = co_await body_->read_some();
      if (!more) co_return std::move(more).error();
      if (more->empty()) co_return Error(Reason::kGone, "the server ended the watch");
      buffer_ += *more;
    }
  }

 private:
  std::unique_ptr<net::BodyReader> body_;
  std::string buffer_;
  std::size_t start_ = 0;     // of the first line not delivered yet
  std::size_t searched_ = 0;  // no line ends between start_ and here
};

class HttpsClient : public Client {
 public:
  HttpsClient(net::HttpClient& http, std::string user_agent)
      : http_(http),
        user_agent_(std::move(user_agent)),
        manager_(user_agent_.substr(0, user_agent_.find('/'))) {}

  rt::Task<Result<api::Object>> get(api::Gvr resource, api::Key key) override {
    return send_object(make("GET", resource_path(resource, key.ns, key.name, "")));
  }

  rt::Task<Result<api::Object>> get_subresource(api::Gvr resource, api::Key key,
                                                std::string subresource) override {
    return send_object(make("GET", resource_path(resource, key.ns, key.name, subresource)));
  }

  rt::Task<Result<ObjectList>> list(api::Gvr resource, std::string ns, ListOptions options) override {
    auto body = co_await send(make("GET", resource_path(resource, ns, "", "") + list_query(options)));
    if (!body) co_return std::move(body).error();
    co_return list_from(*body);
  }

  rt::Task<Result<std::unique_ptr<Watch>>> watch(api::Gvr resource, std::string ns,
                                                 WatchOptions options) override {
    auto body =
        co_await http_.stream(make("GET", resource_path(resource, ns, "", "") + watch_query(options)));
    if (!body) co_return std::move(body).error();
    const int status = (*body)->head().status;
    if (status / 100 == 2) {
      std::unique_ptr<Watch> out = std::make_unique<HttpsWatch>(std::move(*body));
      co_return out;
    }
    std::string text;
    for (;;) {
      auto more = co_await (*body)->read_some();
      if (!more.ok() || more->empty() || text.size() > (1 << 20)) break;
      text += *more;
    }
    Error error = error_from_response(status, text);
    if (error.is(Reason::kGone)) co_return Error(Reason::kExpired, error.message());
    co_return error;
  }

  rt::Task<Result<api::Object>> create(api::Gvr resource, std::string ns, api::Object object,
                                       WriteOptions options) override {
    return send_object(with_body(make("POST", resource_path(resource, ns, "", "") + write_query(options)),
                                 "application/json", std::string(object.bytes().view())));
  }

  rt::Task<Result<api::Object>> create_subresource(api::Gvr resource, api::Key key, std::string subresource,
                                                   api::Object object) override {
    return send_object(with_body(make("POST", resource_path(resource, key.ns, key.name, subresource)),
                                 "application/json", std::string(object.bytes().view())));
  }

  rt::Task<Result<api::Object>> update(api::Gvr resource, api::Object object, std::string subresource,
                                       WriteOptions options) override {
    const std::string path =
        resource_path(resource, std::string(object.ns()), std::string(object.name()), subresource);
    return send_object(with_body(make("PUT", path + write_query(options)), "application/json",
                                 std::string(object.bytes().view())));
  }

  rt::Task<Result<api::Object>> patch(api::Gvr resource, api::Key key, std::string subresource,
                                      PatchType type, api::Json patch, WriteOptions options) override {
    const std::string path = resource_path(resource, key.ns, key.name, subresource);
    options.force = options.force && type == PatchType::kApply;
    return send_object(
        with_body(make("PATCH", path + write_query(options)), content_type(type), api::to_json(patch)));
  }

  rt::Task<Result<api::Object>> remove(api::Gvr resource, api::Key key, DeleteOptions options) override {
    return send_object(with_body(make("DELETE", resource_path(resource, key.ns, key.name, "")),
                                 "application/json", delete_body(options)));
  }

  rt::Task<Result<void>> remove_collection(api::Gvr resource, std::string ns, ListOptions which,
                                           DeleteOptions options) override {
    auto request = with_body(make("DELETE", resource_path(resource, ns, "", "") + list_query(which)),
                             "application/json", delete_body(options));
    auto body = co_await send(std::move(request));
    if (!body) co_return std::move(body).error();
    co_return ok();
  }

 private:
  net::Request make(std::string method, std::string target) const {
    net::Request request(std::move(method), std::move(target));
    request.headers.add("Accept", "application/json");
    request.headers.add("User-Agent", user_agent_);
    return request;
  }

  static net::Request with_body(net::Request request, std::string_view type, std::string body) {
    request.headers.add("Content-Type", std::string(type));
    request.body = std::move(body);
    return request;
  }

  std::string write_query(const WriteOptions& options) const {
    QueryText query;
    query.add("fieldManager", options.field_manager.empty() ? manager_ : options.field_manager);
    if (options.dry_run) query.add("dryRun", std::string_view("All"));
    query.flag("force", options.force);
    return query.str();
  }

  rt::Task<Result<std::string>> send(net::Request request) {
    auto response = co_await http_.request(std::move(request));
    if (!response) co_return std::move(response).error();
    if (response->status / 100 != 2) co_return error_from_response(response->status, response->body);
    co_return std::move(response->body);
  }

  rt::Task<Result<api::Object>> send_object(net::Request request) {
    auto body = co_await send(std::move(request));
    if (!body) co_return std::move(body).error();
    co_return object_from(*body);
  }

  net::HttpClient& http_;
  std::string user_agent_, manager_;
};

}  // namespace

std::unique_ptr<Client> make_https_client(net::HttpClient& http, std::string user_agent) {
  return std::make_unique<HttpsClient>(http, std::move(user_agent));
}

Error error_from_response(int status, std::string_view body) {
  const auto json = api::parse_json(body);
  if (json.ok() && api::str(*json, "kind") == "Status") return status_error(*json, status);
  std::string text(trim(body.substr(0, 1024)));
  if (text.empty()) text = "the server answered " + std::to_string(status);
  return Error(reason_from_http(status), std::move(text));
}

std::string resource_path(const api::Gvr& resource, const std::string& ns, const std::string& name,
                          const std::string& subresource) {
  std::string path = resource.group.empty() ? "/api/" + resource.version
                                            : "/apis/" + resource.group + "/" + resource.version;
  if (!ns.empty()) path += "/namespaces/" + url_encode(ns);
  path += "/" + resource.resource;
  if (!name.empty()) path += "/" + url_encode(name);
  if (!subresource.empty()) path += "/" + subresource;
  return path;
}

}  // namespace mk::client
