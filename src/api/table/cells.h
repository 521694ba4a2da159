#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mk/api/table.h"

// How table rows are put together: one Printer for each kind, registered by group and kind.
namespace mk::api {

struct RowContext {
  const Json& object;
  std::int64_t now_seconds;
};

struct Printer {
  std::string_view group, kind;
  std::vector<Column> columns;
  void (*cells)(const RowContext& row, JsonArray& out);
};

void add_workload_printers(std::vector<Printer>& out);  // pods and what makes them
void add_network_printers(std::vector<Printer>& out);
void add_cluster_printers(std::vector<Printer>& out);  // nodes, storage, policy, access
void add_pod_printer(std::vector<Printer>& out);

// Columns, in kubectl's types.
Column name_column();
Column text_column(std::string name, int priority = 0);
Column number(std::string name, int priority = 0);
Column age_column();

// Cells.
std::string age(std::string_view time, std::int64_t now_seconds);        // "<unknown>" without a time
std::string age_of(const RowContext& row);                               // metadata.creationTimestamp
std::string or_none(std::string_view value);                             // "<none>" when empty
std::string labels_text(const JsonObject& labels);                       // "a=b,c=d", "<none>"
std::string selector_text(const Json* selector);                         // metav1.LabelSelector
std::string joined(const JsonArray& list, std::string_view field = "");  // comma-separated
// Name and image lists of a pod template, for -o wide.
std::string container_names(const Json& pod_spec);
std::string container_images(const Json& pod_spec);
Json object_name(const RowContext& row);

}  // namespace mk::api
