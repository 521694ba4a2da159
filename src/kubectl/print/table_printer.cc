#include "print/table_printer.h"

#include <algorithm>

#include "cluster/discovery.h"
#include "mk/base/strings.h"
#include "print/jsonpath.h"

namespace mk::kubectl {

using api::Json;

namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::toupper(c); });
  return out;
}

// The part behind the slash: "app.kubernetes.io/name" has the header NAME.
std::string label_header(const std::string& key) {
  return upper(std::string_view(key).substr(key.rfind('/') + 1));
}

std::string cell_text(const Json& cell) {
  if (cell.is_null()) return "<none>";
  // A table is lines: what would break one is written out.
  return replace_all(plain_text(cell), "\n", "\\n");
}

std::string labels_text(const Json& object) {
  std::vector<std::string> out;
  for (const auto& field : api::object(object, "metadata.labels"))
    out.push_back(std::string(field.key()) + "=" + plain_text(field.value()));
  std::sort(out.begin(), out.end());
  return out.empty() ? "<none>" : join(out, ",");
}

std::string label_value(const Json& object, const std::string& key) {
  for (const auto& field : api::object(object, "metadata.labels")) {
    if (field.key() == key) return plain_text(field.value());
  }
  return "";
}

}  // namespace

void TablePrinter::add(const Json& table, std::string_view event) {
  if (columns_.empty()) {
    for (const auto& column : api::list(table, "columnDefinitions")) {
      columns_.emplace_back(api::str(column, "name"));
      priorities_.push_back(api::num(column, "priority"));
    }
  }
  for (const auto& row : api::list(table, "rows")) {
    if (!header_printed_ && !options_.no_headers) print_header();
    header_printed_ = true;
    print_row(row, event);
  }
}

void TablePrinter::print_header() {
  std::vector<std::string> cells;
  if (options_.output_event) cells.emplace_back("EVENT");
  if (options_.with_namespace && resource_.namespaced) cells.emplace_back("NAMESPACE");
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (shown(i)) cells.push_back(upper(columns_[i]));
  }
  for (const auto& key : options_.label_columns) cells.push_back(label_header(key));
  if (options_.show_labels) cells.emplace_back("LABELS");
  writer_.row(std::move(cells));
}

void TablePrinter::print_row(const Json& row, std::string_view event) {
  const Json* found = api::find(row, "object");
  const Json none(nullptr);
  const Json& object = found ? *found : none;
  std::vector<std::string> cells;
  if (options_.output_event) cells.emplace_back(event.empty() ? "ADDED" : event);
  if (options_.with_namespace && resource_.namespaced)
    cells.emplace_back(api::str(object, "metadata.namespace"));
  const auto& values = api::list(row, "cells");
  for (std::size_t i = 0; i < columns_.size() && i < values.size(); ++i) {
    if (!shown(i)) continue;
    std::string text = cell_text(values[i]);
    if (options_.with_kind && columns_[i] == "Name") text = singular_name(resource_) + "/" + text;
    cells.push_back(std::move(text));
  }
  for (const auto& key : options_.label_columns) cells.push_back(label_value(object, key));
  if (options_.show_labels) cells.push_back(labels_text(object));
  writer_.row(std::move(cells));
}

}  // namespace mk::kubectl
