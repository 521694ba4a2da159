#include "mk/api/table.h"

#include <algorithm>

#include "mk/api/selector.h"
#include "mk/base/strings.h"
#include "schema/time_text.h"
#include "table/cells.h"

namespace mk::api {

Column name_column() {
  return {"Name", "string", "name", "Name must be unique within a namespace.", 0};
}
Column text_column(std::string name, int priority) {
  return {std::move(name), "string", "", "", priority};
}
Column number(std::string name, int priority) {
  return {std::move(name), "integer", "", "", priority};
}
Column age_column() {
  return text_column("Age");
}

std::string age(std::string_view time, std::int64_t now_seconds) {
  const auto point = parse_time(time);
  return point ? human_duration(now_seconds - point->seconds) : "<unknown>";
}

std::string age_of(const RowContext& row) {
  return age(str(row.object, "metadata.creationTimestamp"), row.now_seconds);
}

std::string or_none(std::string_view value) {
  return value.empty() ? "<none>" : std::string(value);
}

std::string labels_text(const JsonObject& labels) {
  std::vector<std::string> parts;
  for (const auto& label : labels) {
    const auto* value = label.value().if_string();
    parts.push_back(std::string(label.key()) + "=" + (value ? std::string(*value) : ""));
  }
  std::sort(parts.begin(), parts.end());
  return or_none(join(parts, ","));
}

std::string selector_text(const Json* selector) {
  if (!selector) return "<none>";
  const auto parsed = LabelSelector::from_json(selector);
  return parsed.ok() ? or_none(parsed->str()) : "<invalid>";
}

std::string joined(const JsonArray& list, std::string_view field) {
  std::string out;
  for (const auto& element : list) {
    const auto* text = element.if_string();
    const auto part = text ? std::string_view(*text) : str(element, field);
    if (!out.empty()) out += ',';
    out += part;
  }
  return out;
}

std::string container_names(const Json& pod_spec) {
  return joined(list(pod_spec, "containers"), "name");
}
std::string container_images(const Json& pod_spec) {
  return joined(list(pod_spec, "containers"), "image");
}

Json object_name(const RowContext& row) {
  return Json(str(row.object, "metadata.name"));
}

namespace {

struct Printers {
  std::vector<Printer> all;
  std::map<std::pair<std::string_view, std::string_view>, const Printer*> index;
  Printer other{
      "", "", {name_column(), {"Created At", "date", "", "", 0}}, [](const RowContext& row, JsonArray& out) {
        out.emplace_back(object_name(row));
        out.emplace_back(str(row.object, "metadata.creationTimestamp"));
      }};

  Printers() {
    add_pod_printer(all);
    add_workload_printers(all);
    add_network_printers(all);
    add_cluster_printers(all);
    for (const auto& printer : all) index.emplace(std::pair(printer.group, printer.kind), &printer);
  }

  const Printer& of(const Gvk& kind) const {
    const auto found = index.find(std::pair(std::string_view(kind.group), std::string_view(kind.kind)));
    return found == index.end() ? other : *found->second;
  }
};

const Printers& printers() {
  static const auto* made = new Printers;
  return *made;
}

}  // namespace

const std::vector<Column>& table_columns(const Gvk& kind) {
  return printers().of(kind).columns;
}

JsonArray table_cells(const Gvk& kind, const Json& object, std::int64_t now_seconds) {
  JsonArray out;
  printers().of(kind).cells(RowContext{object, now_seconds}, out);
  return out;
}

}  // namespace mk::api
