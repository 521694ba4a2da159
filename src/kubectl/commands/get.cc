#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cluster/targets.h"
#include "cluster/watch.h"
#include "commands/commands.h"
#include "mk/api/quantity.h"
#include "mk/api/table.h"
#include "mk/base/strings.h"
#include "print/object_printer.h"
#include "print/table_printer.h"

namespace mk::kubectl {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

constexpr const char* kTableAccept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

struct GetOptions {
  PrinterOptions printer;
  TableOptions table;
  Selectors selectors;
  FileFlags files;
  std::string sort_by, raw, subresource;
  bool all_namespaces = false, watch = false, watch_only = false, ignore_not_found = false, show_kind = false;

  void bind(Flags& flags) {
    files.bind(flags);
    selectors.bind(flags);
    flags.text("output", 'o', printer.output)
        .text("sort-by", 0, sort_by)
        .text("raw", 0, raw)
        .text("subresource", 0, subresource)
        .list("label-columns", 'L', table.label_columns)
        .boolean("no-headers", 0, table.no_headers)
        .boolean("show-labels", 0, table.show_labels)
        .boolean("show-kind", 0, show_kind)
        .boolean("show-managed-fields", 0, printer.show_managed_fields)
        .boolean("output-watch-events", 0, table.output_event)
        .boolean("all-namespaces", 'A', all_namespaces)
        .boolean("watch", 'w', watch)
        .boolean("watch-only", 0, watch_only)
        .boolean("ignore-not-found", 0, ignore_not_found)
        .ignored("chunk-size", 0, true)
        .ignored("server-print", 0, false)
        .ignored("allow-missing-template-keys", 0, false);
  }
};

bool several_types(const std::vector<Target>& targets, const std::vector<std::string>& words) {
  for (const auto& target : targets) {
    if (target.resource != targets[0].resource) return true;
  }
  return !words.empty() && words[0].find(',') != std::string::npos;
}

std::string with_parameter(std::string target, std::string_view parameter) {
  target += target.find('?') == std::string::npos ? '?' : '&';
  return target.append(parameter);
}

std::string request_target(const Target& target, const GetOptions& options) {
  std::string path = target.path(target.name.empty() ? "" : options.subresource);
  if (target.name.empty()) path += options.selectors.query();
  return path;
}

JsonObject local_row(const api::ResourceInfo& resource, const Json& object) {
  return {{"cells", api::table_cells(resource.gvk(), object, std::time(nullptr))}, {"object", object}};
}

// The answer of a server that makes no Tables of this resource, as one.
Json local_table(const api::ResourceInfo& resource, const Json& answer) {
  JsonArray columns, rows;
  for (const auto& column : api::table_columns(resource.gvk()))
    columns.push_back(JsonObject{{"name", api::text(column.name)}, {"priority", column.priority}});
  if (api::find(answer, "items") == nullptr) rows.push_back(local_row(resource, answer));
  for (const auto& item : api::list(answer, "items")) rows.push_back(local_row(resource, item));
  return Json(JsonObject{{"kind", "Table"},
                         {"columnDefinitions", std::move(columns)},
                         {"rows", std::move(rows)},
                         {"metadata", api::object(answer, "metadata")}});
}

Result<Json> get_table(Session& session, const Target& target, const GetOptions& options) {
  std::string path = request_target(target, options);
  if (!options.sort_by.empty()) path = with_parameter(std::move(path), "includeObject=Object");
  MK_ASSIGN(Json answer, session.get(path, kTableAccept));
  if (api::str(answer, "kind") == "Table") return answer;
  return local_table(*target.resource, answer);
}

// Numbers and quantities by value, the rest as text.
bool sorts_before(const std::string& left, const std::string& right) {
  const auto a = api::Quantity::parse(left), b = api::Quantity::parse(right);
  if (a.ok() && b.ok()) return *a < *b;
  return left < right;
}

Result<void> sort_by_path(JsonArray& items, const std::string& source, bool rows) {
  MK_ASSIGN(const JsonPath path, JsonPath::parse_relaxed(source));
  std::vector<std::pair<std::string, Json>> keyed;
  bool found_any = items.empty();
  for (auto& item : items) {
    const Json* object = rows ? api::find(item, "object") : &item;
    const auto values =
        object ? path.find(*object) : Result<std::vector<const Json*>>(std::vector<const Json*>());
    const bool has = values.ok() && !values->empty();
    found_any = found_any || has;
    keyed.emplace_back(has ? plain_text(*(*values)[0]) : "", item);
  }
  if (!found_any)
    return usage_error(
        fmt::format("couldn't find any field with path \"{}\" in the list of objects", source));
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const auto& a, const auto& b) { return sorts_before(a.first, b.first); });
  items.clear();
  for (auto& entry : keyed) items.push_back(std::move(entry.second));
  return ok();
}

class Get {
 public:
  Get(Invocation& call, Session& session, GetOptions options)
      : call_(call), session_(session), options_(std::move(options)) {}

  Result<int> run(const std::vector<Target>& targets) {
    MK_ASSIGN(auto printer, make_printer(options_.printer));
    const bool watching = options_.watch || options_.watch_only;
    if (watching && several_types(targets, {}))
      return usage_error("you may only specify a single resource type");
    if (watching) return watch(targets[0], printer.get());
    if (printer) return print_objects(targets, *printer);
    return print_tables(targets);
  }

 private:
  // Not-found objects do not keep the others from being shown.
  bool tolerate(const Error& error) {
    if (options_.ignore_not_found && error.is(Reason::kNotFound)) return true;
    if (!error.is(Reason::kNotFound) && !error.is(Reason::kForbidden)) return false;
    failures_.push_back(error_text(error));
    return true;
  }

  Result<int> finish() {
    call_.io.out.flush();
    for (const auto& failure : failures_) call_.io.err << failure << "\n";
    return failures_.empty() ? 0 : 1;
  }

  Result<int> print_tables(const std::vector<Target>& targets) {
    const bool kinds = options_.show_kind || several_types(targets, call_.words);
    bool any = false;
    for (std::size_t at = 0; at < targets.size();) {
      TableOptions table_options = options_.table;
      table_options.with_kind = kinds;
      TablePrinter printer(*targets[at].resource, table_options);
      Json merged;
      const auto* resource = targets[at].resource;
      for (; at < targets.size() && targets[at].resource == resource; ++at) {
        auto table = get_table(session_, targets[at], options_);
        if (!table && tolerate(table.error())) continue;
        if (!table) return std::move(table).error();
        merge(merged, std::move(*table));
      }
      if (api::list(merged, "rows").empty()) continue;
      if (!options_.sort_by.empty())
        MK_TRY(sort_by_path(merged.as_object()["rows"].as_array(), options_.sort_by, true));
      if (any) call_.io.out << "\n";
      any = true;
      printer.add(merged);
      printer.flush(call_.io.out);
    }
    if (!any && failures_.empty() && !options_.ignore_not_found) say_nothing_found(targets);
    return finish();
  }

  static void merge(Json& into, Json table) {
    if (into.is_null()) {
      into = std::move(table);
      return;
    }
    auto* rows = into.as_object().if_contains("rows");
    if (rows == nullptr || !rows->is_array()) return;
    for (const auto& row : api::list(table, "rows")) rows->as_array().push_back(row);
  }

  void say_nothing_found(const std::vector<Target>& targets) {
    bool namespaced = false;
    for (const auto& target : targets) namespaced = namespaced || target.resource->namespaced;
    call_.io.err << (options_.all_namespaces || !namespaced
                         ? "No resources found\n"
                         : fmt::format("No resources found in {} namespace.\n", session_.ns()));
  }

  Result<int> print_objects(const std::vector<Target>& targets, ObjectPrinter& printer) {
    JsonArray items;
    for (const auto& target : targets) {
      Target one = target;
      auto found =
          options_.subresource.empty() ? fetch(session_, {one}, options_.selectors) : fetch_subresource(one);
      if (!found && tolerate(found.error())) continue;
      if (!found) return std::move(found).error();
      for (auto& entry : *found) items.push_back(std::move(entry.object));
    }
    const bool single = targets.size() == 1 && !targets[0].name.empty();
    if (single && items.empty()) return finish();
    if (!options_.sort_by.empty()) MK_TRY(sort_by_path(items, options_.sort_by, false));
    const Json whole = single ? items[0] : make_list(std::move(items));
    MK_TRY(printer.print(whole, call_.io.out));
    return finish();
  }

  Result<std::vector<Found>> fetch_subresource(const Target& target) {
    MK_ASSIGN(Json answer, session_.get(request_target(target, options_)));
    return std::vector<Found>{Found{target, std::move(answer)}};
  }

  Result<int> watch(const Target& target, ObjectPrinter* printer) {
    Target collection = target;
    std::string query = options_.selectors.query();
    if (!target.name.empty()) {
      collection.name.clear();
      query = "?fieldSelector=metadata.name=" + target.name;
    }
    const std::string path = collection.path() + query;
    const char* accept = printer ? "application/json" : kTableAccept;
    MK_ASSIGN(const Json first, session_.get(path, accept));
    if (!target.name.empty() && nothing_in(first)) {
      MK_TRY(session_.get(target.path()));  // says that it is not there
    }
    TablePrinter table(*target.resource, options_.table);
    if (!options_.watch_only) MK_TRY(show(first, "ADDED", printer, table));
    Watcher watcher(session_, path, std::string(api::str(first, "metadata.resourceVersion")), accept);
    for (;;) {
      MK_ASSIGN(const auto event, watcher.next(std::nullopt));
      if (!event) return 0;
      MK_TRY(show(event->object, event->type, printer, table));
    }
  }

  static bool nothing_in(const Json& list) {
    return api::list(list, "items").empty() && api::list(list, "rows").empty();
  }

  Result<void> show(const Json& object, std::string_view event, ObjectPrinter* printer, TablePrinter& table) {
    if (printer == nullptr) {
      table.add(object, event);
      table.flush(call_.io.out);
      return ok();
    }
    if (api::find(object, "items") == nullptr) return show_object(object, *printer);
    const std::string kind(api::str(object, "kind"));
    for (const auto& item : api::list(object, "items")) {
      Json full = item;
      if (kind.size() > 4) api::set(full, "kind", api::text(kind.substr(0, kind.size() - 4)));
      api::set(full, "apiVersion", api::text(api::str(object, "apiVersion")));
      MK_TRY(show_object(full, *printer));
    }
    return ok();
  }

  Result<void> show_object(const Json& object, ObjectPrinter& printer) {
    MK_TRY(printer.print(object, call_.io.out));
    call_.io.out.flush();
    return ok();
  }

  Invocation& call_;
  Session& session_;
  GetOptions options_;
  std::vector<std::string> failures_;
};

}  // namespace

Result<int> run_get(Invocation& call) {
  GetOptions options;
  options.bind(call.flags);
  MK_TRY(call.parse());
  options.printer.no_headers = options.table.no_headers;
  options.table.wide = options.printer.output == "wide";
  options.table.with_namespace = options.all_namespaces;
  MK_ASSIGN(Session * session, call.connect());
  if (!options.raw.empty()) {
    MK_ASSIGN(const std::string text, session->get_text(options.raw));
    call.io.out << text;
    return 0;
  }
  MK_TRY(make_printer(options.printer));  // a wrong -o is known before the server is asked
  TargetRules rules;
  rules.all_namespaces = options.all_namespaces;
  MK_ASSIGN(const auto targets, choose_targets(call, *session, options.files, rules));
  if (targets.empty()) return usage_error("no objects passed to get");
  return Get(call, *session, options).run(targets);
}

}  // namespace mk::kubectl
