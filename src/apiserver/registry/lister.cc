#include "registry/lister.h"

#include <algorithm>

#include "http/status.h"
#include "mk/api/validation.h"
#include "mk/base/strings.h"
#include "registry/position.h"

namespace mk::apiserver {

using api::Json;
using api::Object;

namespace {

Result<store::Revision> parse_revision(std::string_view text) {
  if (text.empty()) return store::Revision{0};
  const auto value = parse_int(text);
  if (!value || *value < 0)
    return Error(Reason::kBadRequest, "Invalid value: \"" + std::string(text) +
                                          "\": strconv.ParseUint: parsing \"" + std::string(text) +
                                          "\": invalid syntax");
  return *value;
}

Error invalid_options(Cause cause) {
  std::vector<Cause> causes;
  causes.push_back(std::move(cause));
  return api::invalid_object(api::Gvk{"meta.k8s.io", "v1", "ListOptions"}, "", std::move(causes));
}

Error forbidden_match(const std::string& why) {
  return invalid_options(api::forbidden("resourceVersionMatch", "resourceVersionMatch " + why));
}

Result<void> check_options(const client::ListOptions& options) {
  const auto& match = options.resource_version_match;
  if (match.empty()) {
    if (!options.continue_token.empty() && !options.resource_version.empty() &&
        options.resource_version != "0")
      return Error(Reason::kBadRequest, "specifying resource version is not allowed when using continue");
    return ok();
  }
  if (!options.continue_token.empty()) return forbidden_match("is forbidden for continue");
  if (options.resource_version.empty())
    return forbidden_match("is forbidden unless resourceVersion is provided");
  if (match == "Exact" && options.resource_version == "0")
    return forbidden_match("\"exact\" is forbidden for resourceVersion \"0\"");
  if (match == "Exact" || match == "NotOlderThan") return ok();
  return invalid_options(api::not_supported("resourceVersionMatch", match, {"Exact", "NotOlderThan"}));
}

Error too_large(store::Revision asked, store::Revision now) {
  Error error(Reason::kTimeout, "Timeout: Too large resource version: " + std::to_string(asked) +
                                    ", current: " + std::to_string(now));
  error.retry_after_seconds = 1;
  error.causes.emplace_back("", "ResourceVersionTooLarge", "Too large resource version");
  return error;
}

// A page of the past, or the rest of a list whose first page is old by now.
rt::Task<Result<ListResult>> list_from_store(Cacher& cacher, const api::ResourceInfo& resource, Filter filter,
                                             Position position, std::int64_t limit) {
  ListResult out;
  out.revision = position.revision;
  std::string after = position.after;
  const std::string prefix = Cacher::store_prefix(resource.gvr, filter.ns);
  for (;;) {
    const std::size_t want = limit > 0 ? static_cast<std::size_t>(limit) - out.items.size() : 0;
    auto page = co_await cacher.store().range(prefix, after, want, position.revision);
    if (!page.ok()) co_return std::move(page).error();
    for (const auto& entry : page->entries) {
      after = entry.key;
      if (!filter.admits(Cacher::object_key(entry.key))) continue;
      Object object = cacher.show(resource.gvr, entry.value, entry.revision);
      if (filter.selects(object)) out.items.push_back(std::move(object));
    }
    if (!page->more) co_return out;
    if (limit > 0 && static_cast<std::int64_t>(out.items.size()) >= limit) break;
  }
  out.continue_token = encode_position(Position{position.revision, after});
  // By what is there now: an estimate where objects came or went since the first page, as the API has it.
  if (!filter.looks_inside())
    out.remaining = static_cast<std::int64_t>(
        cacher.resource(resource.gvr).count_behind(filter, Cacher::object_key(after)));
  co_return out;
}

ListResult list_from_cache(Cacher& cacher, const api::ResourceInfo& resource, const Filter& filter,
                           std::int64_t limit) {
  ListResult out;
  out.revision = cacher.revision();
  auto page = cacher.resource(resource.gvr).page(filter, limit > 0 ? static_cast<std::size_t>(limit) : 0);
  out.items = std::move(page.items);
  if (page.behind == 0) return out;
  if (!filter.looks_inside()) out.remaining = static_cast<std::int64_t>(page.behind);
  out.continue_token = encode_position(Position{out.revision, Cacher::store_key(resource.gvr, page.last)});
  return out;
}

// The token is too old to go on from a consistent state; it may go on from the present one.
Error expired_page(const Position& position, store::Revision now) {
  Error error(
      Reason::kExpired,
      "The provided continue parameter is too old to display a consistent list result. You can start a new "
      "list without the continue parameter, or use the continue token in this response to retrieve the "
      "remainder of the results. Continuing with the provided token results in an inconsistent list - "
      "objects "
      "that were created, modified, or deleted between the time the first chunk was returned and now may "
      "show "
      "up in the list.");
  error.causes.emplace_back(std::string(kContinueField), "", encode_position(Position{now, position.after}));
  return error;
}

}  // namespace

rt::Task<Result<ListResult>> list_objects(Cacher& cacher, const api::ResourceInfo& resource, std::string ns,
                                          client::ListOptions options) {
  MK_CO_TRY(check_options(options));
  if (options.continue_token.empty() && cacher.may_be_behind(options.resource_version))
    MK_CO_TRY(co_await cacher.store().linearize());
  MK_CO_ASSIGN(Filter filter, make_filter(resource, ns, options.label_selector, options.field_selector));
  if (!options.continue_token.empty()) {
    MK_CO_ASSIGN(const Position position, decode_position(options.continue_token));
    auto page = co_await list_from_store(cacher, resource, std::move(filter), position, options.limit);
    if (!page.ok() && page.error().is(Reason::kExpired)) co_return expired_page(position, cacher.revision());
    co_return page;
  }
  MK_CO_ASSIGN(const store::Revision revision, parse_revision(options.resource_version));
  if (revision > cacher.revision()) co_return too_large(revision, cacher.revision());
  const bool exact = options.resource_version_match == "Exact" ||
                     (options.resource_version_match.empty() && options.limit > 0 && revision > 0);
  if (exact && revision != cacher.revision()) {
    Position from;
    from.revision = revision;
    co_return co_await list_from_store(cacher, resource, std::move(filter), std::move(from), options.limit);
  }
  // A resource version of 0 lets a cache answer in one page, as Kubernetes does.
  const std::int64_t limit = options.resource_version == "0" ? 0 : options.limit;
  co_return list_from_cache(cacher, resource, filter, limit);
}

Result<WatchStart> start_watch(Cacher& cacher, const api::ResourceInfo& resource, const std::string& ns,
                               const client::WatchOptions& options) {
  MK_ASSIGN(Filter filter, make_filter(resource, ns, options.label_selector, options.field_selector));
  MK_ASSIGN(store::Revision since, parse_revision(options.resource_version));
  WatchStart start;
  ResourceCache& cache = cacher.resource(resource.gvr);
  start.revision = cacher.revision();
  const bool from_now = since == 0;
  if (options.send_initial_events || from_now) {
    if (since > start.revision) return too_large(since, start.revision);
    start.initial = cache.list(filter);
    start.bookmark_after_initial = options.send_initial_events && options.allow_bookmarks;
    since = start.revision;
  }
  MK_ASSIGN(start.watcher, cache.watch(std::move(filter), since));
  return start;
}

Object bookmark(const api::ResourceInfo& resource, store::Revision revision, bool initial_events_end) {
  api::JsonObject metadata;
  metadata["resourceVersion"] = api::text(std::to_string(revision));
  metadata["creationTimestamp"] = nullptr;
  if (initial_events_end) {
    api::JsonObject annotations;
    annotations["k8s.io/initial-events-end"] = "true";
    metadata["annotations"] = std::move(annotations);
  }
  api::JsonObject object;
  object["kind"] = api::text(resource.kind);
  object["apiVersion"] = api::text(resource.gvr.api_version());
  object["metadata"] = std::move(metadata);
  return Object(Json(std::move(object)));
}

}  // namespace mk::apiserver
