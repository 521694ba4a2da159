#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "mk/api/json.h"
#include "mk/api/resource.h"
#include "print/tab_writer.h"

namespace mk::kubectl {

struct TableOptions {
  bool wide = false, no_headers = false, with_namespace = false, show_labels = false;
  bool with_kind = false;                  // "pod/x" instead of "x"
  bool output_event = false;               // EVENT in front, for --output-watch-events
  std::vector<std::string> label_columns;  // -L
};

// Prints the Tables that a server makes of one resource. The header comes once.
class TablePrinter {
 public:
  TablePrinter(const api::ResourceInfo& resource, TableOptions options)
      : resource_(resource), options_(std::move(options)) {}

  // Learns the columns from the first table that has some (those of a watch come once), then prints its rows.
  void add(const api::Json& table, std::string_view event = {});
  void flush(std::ostream& out) { writer_.flush(out); }

 private:
  void print_header();
  void print_row(const api::Json& row, std::string_view event);
  bool shown(std::size_t column) const { return options_.wide || priorities_[column] == 0; }

  const api::ResourceInfo& resource_;
  TableOptions options_;
  std::vector<std::string> columns_;
  std::vector<std::int64_t> priorities_;
  bool header_printed_ = false;
  TabWriter writer_;
};

}  // namespace mk::kubectl
