#include "extensions/custom_resource.h"

#include "mk/rt/clock.h"

namespace mk::apiserver {

using api::Json;
using api::Object;

namespace {

// ".spec.replicas" as the accessors of JSON name it.
std::string dotted(std::string_view json_path) {
  return std::string(json_path.starts_with('.') ? json_path.substr(1) : json_path);
}

std::string_view text_of(const Json& value) {
  const auto* text = value.if_string();
  return text ? std::string_view(*text) : std::string_view();
}

Json date_cell(const Json& value, std::int64_t now_seconds) {
  const auto time = rt::parse_time(text_of(value));
  if (!time) return "<unknown>";
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time->time_since_epoch()).count();
  return api::text(api::human_duration(now_seconds - seconds));
}

// A value that is not of the column's type has no cell.
Json cell(const std::string& type, const std::vector<const Json*>& values, std::int64_t now_seconds) {
  const Json& first = *values.front();
  if (type == "integer") {
    if (first.is_int64() || first.is_uint64()) return first;
    if (const auto* real = first.if_double()) return static_cast<std::int64_t>(*real);
    return nullptr;
  }
  if (type == "number") return first.is_number() ? first : Json();
  if (type == "boolean") return first.is_bool() ? first : Json();
  if (type == "date") return date_cell(first, now_seconds);
  std::string text;
  for (const auto* value : values) {
    if (!text.empty()) text.push_back(' ');
    text.append(api::plain_text(*value));
  }
  return api::text(text);
}

}  // namespace

CustomResource::CustomResource(const Json& definition, const Json& version, Schema schema, Version storage)
    : group_(api::str(definition, "spec.group")),
      version_(api::str(version, "name")),
      list_kind_(api::str(definition, "status.acceptedNames.listKind")),
      schema_(std::move(schema)),
      storage_(std::move(storage)),
      has_status_(api::find(version, "subresources.status") != nullptr),
      terminating_(api::find(definition, "metadata.deletionTimestamp") != nullptr) {
  if (api::flag(version, "deprecated")) {
    const std::string kind(api::str(definition, "spec.names.kind"));
    deprecation_warning_ =
        api::str(version, "deprecationWarning", group_ + "/" + version_ + " " + kind + " is deprecated");
  }
  if (const Json* scale = api::find(version, "subresources.scale")) {
    scale_.emplace();
    scale_->replicas = dotted(api::str(*scale, "specReplicasPath"));
    scale_->status_replicas = dotted(api::str(*scale, "statusReplicasPath"));
    scale_->selector = dotted(api::str(*scale, "labelSelectorPath"));
  }
  if (const Json* open_api = api::find(version, "schema.openAPIV3Schema")) {
    std::vector<Cause> refused_already;
    rules_ = make_object_rules(*open_api, "", refused_already);
  }
  read_columns(version);
  strategy_ = make_custom_strategy(*this);
}

CustomResource::~CustomResource() = default;

void CustomResource::read_columns(const Json& version) {
  const auto add = [&](api::Column column, std::string_view path) {
    auto parsed = api::JsonPath::parse_relaxed(path);
    if (!parsed.ok()) return;  // refused with the definition
    columns_.push_back(std::move(column));
    column_paths_.push_back(std::move(parsed).value());
  };
  add({"Name", "string", "name", "Name must be unique within a namespace.", 0}, ".metadata.name");
  const auto& printed = api::list(version, "additionalPrinterColumns");
  for (const auto& entry : printed) {
    api::Column column{std::string(api::str(entry, "name")), std::string(api::str(entry, "type")),
                       std::string(api::str(entry, "format")), std::string(api::str(entry, "description")),
                       static_cast<int>(api::num(entry, "priority"))};
    add(std::move(column), api::str(entry, "jsonPath"));
  }
  if (printed.empty())
    add({"Age", "date", "", "How long ago the server made the object.", 0}, ".metadata.creationTimestamp");
}

api::JsonArray CustomResource::cells(const Json& object, std::int64_t now_seconds) const {
  api::JsonArray out;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const auto found = column_paths_[i].find(object);
    if (!found.ok() || found->empty() || found->front()->is_null()) {
      out.push_back(nullptr);
    } else {
      out.push_back(cell(columns_[i].type, *found, now_seconds));
    }
  }
  return out;
}

Object CustomResource::show(const Object& stored) const {
  const Object once(stored.bytes());  // the shared object shall not keep a parsed form for our sake
  Json object = once.json();
  api::FieldProblems unknown;
  if (storage_.schema != schema_) {
    // Stored objects get the defaults of the version they are stored in before they become another's.
    (void)storage_.schema->prune(object, unknown);
    storage_.schema->apply_defaults(object);
  }
  api::set(object, "apiVersion", api::text(group_ + "/" + version_));
  (void)schema_->prune(object, unknown);
  schema_->apply_defaults(object);
  if (object == once.json()) return stored;
  return Object(SharedBytes(api::to_json(object)));
}

Json CustomResource::to_stored(Json object) const {
  api::set(object, "apiVersion", api::text(group_ + "/" + storage_.name));
  return object;
}

}  // namespace mk::apiserver
