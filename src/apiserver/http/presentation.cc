#include "http/presentation.h"

#include <ctime>

#include "extensions/custom_resource.h"
#include "mk/api/protobuf.h"
#include "mk/api/table.h"

namespace mk::apiserver {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

constexpr std::string_view kMetaVersion = "meta.k8s.io/v1";

Json partial(const api::Object& object) {
  JsonObject out;
  out["kind"] = "PartialObjectMetadata";
  out["apiVersion"] = api::text(kMetaVersion);
  out["metadata"] = api::object(object.json(), "metadata");
  return out;
}

const std::vector<api::Column>& columns_of(const api::ResourceInfo& resource) {
  const auto* custom = custom_of(resource);
  return custom ? custom->columns() : api::table_columns(resource.gvk());
}

JsonArray cells_of(const api::ResourceInfo& resource, const Json& object, std::int64_t now) {
  const auto* custom = custom_of(resource);
  return custom ? custom->cells(object, now) : api::table_cells(resource.gvk(), object, now);
}

Json list_kind(const api::ResourceInfo& resource) {
  const auto* custom = custom_of(resource);
  return api::text(custom ? custom->list_kind() : resource.kind + "List");
}

JsonArray column_definitions(const api::ResourceInfo& resource) {
  JsonArray out;
  for (const auto& column : columns_of(resource)) {
    JsonObject item;
    item["name"] = api::text(column.name);
    item["type"] = api::text(column.type);
    item["format"] = api::text(column.format);
    item["description"] = api::text(column.description);
    item["priority"] = column.priority;
    out.push_back(std::move(item));
  }
  return out;
}

JsonObject table_row(const api::ResourceInfo& resource, const api::Object& object, std::string_view include,
                     std::int64_t now) {
  JsonObject row;
  row["cells"] = cells_of(resource, object.json(), now);
  if (include == "Object") {
    row["object"] = object.json();
  } else if (include != "None") {
    row["object"] = partial(object);
  }
  return row;
}

JsonObject list_metadata(const ListResult& list) {
  JsonObject metadata;
  metadata["resourceVersion"] = api::text(std::to_string(list.revision));
  if (!list.continue_token.empty()) metadata["continue"] = api::text(list.continue_token);
  if (list.remaining >= 0) metadata["remainingItemCount"] = list.remaining;
  return metadata;
}

Json table(const Call& call, const std::vector<api::Object>& objects, JsonObject metadata) {
  const std::string_view include = call.query.get("includeObject");
  const std::int64_t now = std::time(nullptr);
  JsonArray rows;
  for (const auto& object : objects) rows.push_back(table_row(*call.resource, object, include, now));
  JsonObject out;
  out["kind"] = "Table";
  out["apiVersion"] = api::text(kMetaVersion);
  out["metadata"] = std::move(metadata);
  out["columnDefinitions"] = column_definitions(*call.resource);
  out["rows"] = std::move(rows);
  return out;
}

}  // namespace

Json present_object(const Call& call, const api::Object& object) {
  // Only the resource's own kind has columns; a Scale or a Status stays what it is.
  if (call.resource == nullptr || object.kind() != call.resource->kind) return object.json();
  if (call.accepted.transform == Transform::kPartial) return partial(object);
  if (call.accepted.transform != Transform::kTable) return object.json();
  JsonObject metadata;
  metadata["resourceVersion"] = api::text(object.resource_version());
  return table(call, {object}, std::move(metadata));
}

Json present_list(const Call& call, const ListResult& list) {
  if (call.accepted.transform == Transform::kTable) return table(call, list.items, list_metadata(list));
  const bool only_metadata = call.accepted.transform == Transform::kPartial;
  JsonArray items;
  for (const auto& object : list.items) items.push_back(only_metadata ? partial(object) : object.json());
  JsonObject out;
  out["kind"] = only_metadata ? Json("PartialObjectMetadataList") : list_kind(*call.resource);
  out["apiVersion"] = only_metadata ? api::text(kMetaVersion) : api::text(call.resource->gvr.api_version());
  out["metadata"] = list_metadata(list);
  out["items"] = std::move(items);
  return out;
}

rt::Task<Result<std::vector<SharedBytes>>> protobuf_list_chunks(const api::ResourceInfo& resource,
                                                                const ListResult& list) {
  const api::Gvk kind{resource.gvr.group, resource.gvr.version, resource.kind + "List"};
  MK_CO_ASSIGN(api::ProtobufList out, api::ProtobufList::begin(kind, list_metadata(list)));
  constexpr std::size_t kPauseEvery = 16;  // some 20 us each
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    const api::Object parsed_once(list.items[i].bytes());
    MK_CO_TRY(out.add(parsed_once.json()));
    if (i % kPauseEvery == kPauseEvery - 1) co_await rt::yield();
  }
  co_return out.finish();
}

std::vector<SharedBytes> list_chunks(const api::ResourceInfo& resource, const ListResult& list) {
  static const SharedBytes kComma(std::string(","));
  static const SharedBytes kEnd(std::string("]}\n"));
  JsonObject head;
  head["kind"] = list_kind(resource);
  head["apiVersion"] = api::text(resource.gvr.api_version());
  head["metadata"] = list_metadata(list);
  std::string open = api::to_json(head);
  open.pop_back();  // goes on with the items
  open.append(",\"items\":[");
  std::vector<SharedBytes> chunks;
  chunks.reserve(list.items.size() * 2 + 2);
  chunks.emplace_back(std::move(open));
  bool first = true;
  for (const auto& object : list.items) {
    if (!first) chunks.push_back(kComma);
    first = false;
    chunks.push_back(object.bytes());
  }
  chunks.push_back(kEnd);
  return chunks;
}

}  // namespace mk::apiserver
