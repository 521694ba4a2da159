#include "print/object_printer.h"

#include <fmt/format.h>

#include <algorithm>

#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

Error bad(std::string message) {
  return Error(Reason::kBadRequest, std::move(message));
}

template <class F>
void each_item(const Json& object, F&& visit) {
  if (api::str(object, "kind") != "List") {
    visit(object);
    return;
  }
  for (const auto& item : api::list(object, "items")) visit(item);
}

Json without_managed_fields(const Json& object) {
  Json out = sort_keys(object);
  api::erase(out, "metadata.managedFields");
  if (auto* items = out.is_object() ? out.as_object().if_contains("items") : nullptr;
      items && items->is_array()) {
    for (auto& item : items->as_array()) api::erase(item, "metadata.managedFields");
  }
  return out;
}

class JsonPrinter : public ObjectPrinter {
 public:
  explicit JsonPrinter(bool managed) : managed_(managed) {}
  Result<void> print(const Json& object, std::ostream& out) override {
    out << trim(api::to_pretty_json(managed_ ? sort_keys(object) : without_managed_fields(object))) << "\n";
    return ok();
  }

 private:
  bool managed_;
};

class YamlPrinter : public ObjectPrinter {
 public:
  explicit YamlPrinter(bool managed) : managed_(managed) {}
  Result<void> print(const Json& object, std::ostream& out) override {
    if (printed_++ > 0) out << "---\n";
    out << trim(api::to_yaml(managed_ ? sort_keys(object) : without_managed_fields(object))) << "\n";
    return ok();
  }

 private:
  bool managed_;
  int printed_ = 0;
};

class NamePrinter : public ObjectPrinter {
 public:
  Result<void> print(const Json& object, std::ostream& out) override {
    each_item(object, [&](const Json& item) { out << type_and_name(item) << "\n"; });
    return ok();
  }
};

class JsonPathPrinter : public ObjectPrinter {
 public:
  JsonPathPrinter(JsonPath path, std::string source) : path_(std::move(path)), source_(std::move(source)) {}
  Result<void> print(const Json& object, std::ostream& out) override {
    auto text = path_.print(object);
    if (!text)
      return bad(fmt::format("error executing jsonpath \"{}\": Error executing template: {}", source_,
                             text.error().message()));
    out << *text;
    return ok();
  }

 private:
  JsonPath path_;
  std::string source_;
};

class ColumnsPrinter : public ObjectPrinter {
 public:
  struct Column {
    std::string header;
    JsonPath path;
  };
  ColumnsPrinter(std::vector<Column> columns, bool headers)
      : columns_(std::move(columns)), headers_(headers) {}

  Result<void> print(const Json& object, std::ostream& out) override {
    std::vector<std::string> titles;
    for (const auto& column : columns_) titles.push_back(column.header);
    if (headers_) table_.row(std::move(titles));
    headers_ = false;
    Result<void> done = ok();
    each_item(object, [&](const Json& item) {
      std::vector<std::string> cells;
      for (const auto& column : columns_) cells.push_back(cell(column, item));
      table_.row(std::move(cells));
    });
    table_.flush(out);
    return done;
  }

 private:
  static std::string cell(const Column& column, const Json& item) {
    const auto values = column.path.find(item);
    if (!values.ok() || values->empty()) return "<none>";
    std::vector<std::string> texts;
    for (const Json* value : *values) texts.push_back(plain_text(*value));
    return join(texts, ",");
  }

  std::vector<Column> columns_;
  bool headers_;
  TabWriter table_;
};

Result<std::unique_ptr<ObjectPrinter>> make_columns(std::string_view spec, bool headers) {
  if (spec.empty()) return bad("custom-columns format specified but no custom columns given");
  std::vector<ColumnsPrinter::Column> columns;
  for (const auto part : split(spec, ',')) {
    const auto colon = part.find(':');
    if (colon == std::string_view::npos)
      return bad(fmt::format("unexpected custom-columns spec: {}, expected <header>:<json-path-expr>", part));
    MK_ASSIGN(JsonPath path, JsonPath::parse_relaxed(part.substr(colon + 1)));
    columns.push_back({std::string(part.substr(0, colon)), std::move(path)});
  }
  return std::unique_ptr<ObjectPrinter>(std::make_unique<ColumnsPrinter>(std::move(columns), headers));
}

// A file of two lines: headers, then expressions.
Result<std::unique_ptr<ObjectPrinter>> make_columns_from_file(const std::string& path, bool headers) {
  MK_ASSIGN(const std::string text, read_file(path));
  const auto lines = split(text, '\n');
  const auto words = [](std::string_view line) {
    std::vector<std::string> out;
    const std::string spaced = replace_all(std::string(line), "\t", " ");  // split() gives views into it
    for (const auto word : split(spaced, ' ')) {
      if (!word.empty()) out.emplace_back(word);
    }
    return out;
  };
  if (lines.size() < 2) return bad("expected two lines in " + path + ": headers and expressions");
  const auto titles = words(lines[0]), expressions = words(lines[1]);
  if (titles.size() != expressions.size())
    return bad(fmt::format("number of headers ({}) doesn't match number of columns ({})", titles.size(),
                           expressions.size()));
  std::string spec;
  for (std::size_t i = 0; i < titles.size(); ++i) spec += (i ? "," : "") + titles[i] + ":" + expressions[i];
  return make_columns(spec, headers);
}

Result<std::unique_ptr<ObjectPrinter>> make_jsonpath(const std::string& source) {
  if (source.empty()) return bad("template format specified but no template given");
  MK_ASSIGN(JsonPath path, JsonPath::parse(source));
  return std::unique_ptr<ObjectPrinter>(std::make_unique<JsonPathPrinter>(std::move(path), source));
}

}  // namespace

Json sort_keys(const Json& value) {
  if (const auto* array = value.if_array()) {
    JsonArray out;
    for (const auto& item : *array) out.push_back(sort_keys(item));
    return Json(std::move(out));
  }
  const auto* object = value.if_object();
  if (object == nullptr) return value;
  std::vector<std::string_view> keys;
  for (const auto& field : *object) keys.emplace_back(field.key().data(), field.key().size());
  std::sort(keys.begin(), keys.end());
  JsonObject out;
  for (const auto key : keys) out.emplace(key, sort_keys(*object->if_contains(key)));
  return Json(std::move(out));
}

Json make_list(JsonArray items) {
  return Json(JsonObject{{"apiVersion", "v1"},
                         {"items", std::move(items)},
                         {"kind", "List"},
                         {"metadata", JsonObject{{"resourceVersion", ""}}}});
}

std::string type_and_name(const Json& object) {
  const api::Gvk kind = api::parse_gvk(api::str(object, "apiVersion"), api::str(object, "kind"));
  const std::string type = to_lower(kind.kind) + (kind.group.empty() ? "" : "." + kind.group);
  return type + "/" + std::string(api::str(object, "metadata.name"));
}

Result<std::unique_ptr<ObjectPrinter>> make_printer(const PrinterOptions& options) {
  const auto equals = options.output.find('=');
  const std::string format = options.output.substr(0, equals);
  const std::string argument = equals == std::string::npos ? "" : options.output.substr(equals + 1);
  using Printer = std::unique_ptr<ObjectPrinter>;
  if (format.empty() || format == "wide") return Printer();
  if (format == "json") return Printer(std::make_unique<JsonPrinter>(options.show_managed_fields));
  if (format == "yaml") return Printer(std::make_unique<YamlPrinter>(options.show_managed_fields));
  if (format == "name") return Printer(std::make_unique<NamePrinter>());
  if (format == "jsonpath") return make_jsonpath(argument);
  if (format == "jsonpath-file") {
    MK_ASSIGN(const std::string text, read_file(argument));
    return make_jsonpath(text);
  }
  if (format == "custom-columns") return make_columns(argument, !options.no_headers);
  if (format == "custom-columns-file") return make_columns_from_file(argument, !options.no_headers);
  return bad(
      fmt::format("unable to match a printer suitable for the output format \"{}\", allowed formats are: "
                  "custom-columns,custom-columns-file,json,jsonpath,jsonpath-file,name,wide,yaml",
                  options.output));
}

}  // namespace mk::kubectl
