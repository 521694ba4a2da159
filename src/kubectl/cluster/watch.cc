#include "cluster/watch.h"

#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;

Result<void> Watcher::open() {
  const char joint = target_.find('?') == std::string::npos ? '?' : '&';
  MK_ASSIGN(LineStream stream,
            session_.follow(target_ + joint +
                                "watch=true&allowWatchBookmarks=true&resourceVersion=" + url_encode(version_),
                            accept_));
  stream_.emplace(std::move(stream));
  progressed_ = false;
  return ok();
}

// A Table carries the version in its metadata or in the object of its row.
void Watcher::remember_version(const Json& object) {
  auto version = api::str(object, "metadata.resourceVersion");
  if (version.empty() && !api::list(object, "rows").empty())
    version = api::str(api::list(object, "rows")[0], "object.metadata.resourceVersion");
  if (!version.empty()) version_ = version;
}

Result<std::optional<WatchedEvent>> Watcher::next(std::optional<rt::Duration> limit) {
  for (;;) {
    if (!stream_) MK_TRY(open());
    MK_ASSIGN(auto line, stream_->next(limit));
    if (!line) {
      // A watch that ends without a single event would come to nothing again.
      if (!progressed_) return std::optional<WatchedEvent>();
      stream_.reset();
      continue;
    }
    if (trim(*line).empty()) continue;
    MK_ASSIGN(Json event, api::parse_json(*line));
    const Json* object = api::find(event, "object");
    if (object == nullptr) continue;
    const std::string type(api::str(event, "type"));
    if (type == "ERROR")
      return server_error(static_cast<int>(api::num(*object, "code", 500)), api::to_json(*object));
    progressed_ = true;
    remember_version(*object);
    if (type == "BOOKMARK") continue;
    return std::optional<WatchedEvent>(WatchedEvent{type, *object});
  }
}

}  // namespace mk::kubectl
