#include <fmt/format.h>

#include <algorithm>

#include "commands/commands.h"
#include "mk/api/quantity.h"
#include "mk/base/strings.h"
#include "print/tab_writer.h"

namespace mk::kubectl {

using api::Json;
using api::JsonObject;

namespace {

constexpr char kBase[] = "/apis/metrics.k8s.io/v1beta1";
constexpr std::int64_t kMi = 1 << 20;

struct Amounts {
  std::int64_t cpu_milli = 0, memory = 0;
  void add(const JsonObject& usage) {
    cpu_milli += amount(usage, "cpu", true);
    memory += amount(usage, "memory", false);
  }
  static std::int64_t amount(const JsonObject& amounts, std::string_view name, bool milli) {
    const Json* value = amounts.if_contains(name);
    if (value == nullptr || !value->is_string()) return 0;
    const auto quantity = api::Quantity::parse(std::string(value->get_string()));
    return !quantity.ok() ? 0 : milli ? quantity->milli_value() : quantity->value();
  }
  std::string cpu() const { return fmt::format("{}m", cpu_milli); }
  std::string mem() const { return fmt::format("{}Mi", memory / kMi); }
};

struct Row {
  std::string ns, name;
  Amounts used;
  Json object;
};

struct TopFlags {
  std::string labels, fields, sort_by;
  bool no_headers = false, all_namespaces = false, containers = false, sum = false;

  Result<void> check() const {
    if (sort_by.empty() || sort_by == "cpu" || sort_by == "memory") return ok();
    return Error(Reason::kInvalid, "--sort-by accepts only cpu or memory");
  }
  std::string query() const {
    std::string out;
    if (!labels.empty()) out += "&labelSelector=" + url_encode(labels);
    if (!fields.empty()) out += "&fieldSelector=" + url_encode(fields);
    if (!out.empty()) out[0] = '?';
    return out;
  }
  void sort(std::vector<Row>& rows) const {
    std::stable_sort(rows.begin(), rows.end(), [this](const Row& a, const Row& b) {
      if (sort_by == "cpu") return a.used.cpu_milli > b.used.cpu_milli;
      if (sort_by == "memory") return a.used.memory > b.used.memory;
      return std::tie(a.ns, a.name) < std::tie(b.ns, b.name);
    });
  }
};

// One object, or those of a list.
Result<std::vector<Row>> fetch_metrics(Session& session, const std::string& collection, const TopFlags& flags,
                                       const std::string& name) {
  std::vector<Json> objects;
  if (!name.empty()) {
    MK_ASSIGN(Json one, session.get(collection + "/" + name));
    objects.push_back(std::move(one));
  } else {
    MK_ASSIGN(const Json list, session.get(collection + flags.query()));
    for (const Json& item : api::list(list, "items")) objects.push_back(item);
  }
  std::vector<Row> rows;
  for (Json& object : objects) {
    Row row{std::string(api::str(object, "metadata.namespace")),
            std::string(api::str(object, "metadata.name")),
            {},
            {}};
    row.used.add(api::object(object, "usage"));
    for (const Json& container : api::list(object, "containers"))
      row.used.add(api::object(container, "usage"));
    row.object = std::move(object);
    rows.push_back(std::move(row));
  }
  flags.sort(rows);
  return rows;
}

Result<std::string> one_name(const Invocation& call) {
  if (call.words.size() > 1) return usage_error(fmt::format("unexpected args: [{}]", join(call.words, " ")));
  return call.words.empty() ? std::string() : call.words.front();
}

std::string percent(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? "<unknown>" : fmt::format("{}%", part * 100 / whole);
}

void print_containers(const Row& pod, const TopFlags& flags, TabWriter& table) {
  for (const Json& container : api::list(pod.object, "containers")) {
    Amounts used;
    used.add(api::object(container, "usage"));
    std::vector<std::string> cells{pod.name, std::string(api::str(container, "name")), used.cpu(),
                                   used.mem()};
    if (flags.all_namespaces) cells.insert(cells.begin(), pod.ns);
    table.row(std::move(cells));
  }
}

void print_pods(const std::vector<Row>& rows, const TopFlags& flags, TabWriter& table) {
  std::vector<std::string> head{"NAME", "CPU(cores)", "MEMORY(bytes)"};
  if (flags.containers) head.insert(head.begin(), "POD");
  if (flags.all_namespaces) head.insert(head.begin(), "NAMESPACE");
  const auto columns = head.size();
  if (!flags.no_headers) table.row(std::move(head));
  Amounts total;
  for (const Row& pod : rows) {
    total.cpu_milli += pod.used.cpu_milli;
    total.memory += pod.used.memory;
    if (flags.containers) {
      print_containers(pod, flags, table);
      continue;
    }
    std::vector<std::string> cells{pod.name, pod.used.cpu(), pod.used.mem()};
    if (flags.all_namespaces) cells.insert(cells.begin(), pod.ns);
    table.row(std::move(cells));
  }
  if (!flags.sum) return;
  std::vector<std::string> line(columns - 2), rule(columns - 2);
  rule.insert(rule.end(), {"________", "________"});
  line.insert(line.end(), {total.cpu(), total.mem()});
  table.row(std::move(rule));
  table.row(std::move(line));
}

}  // namespace

Result<int> run_top_node(Invocation& call) {
  TopFlags flags;
  call.flags.text("selector", 'l', flags.labels);
  call.flags.text("sort-by", 0, flags.sort_by);
  call.flags.boolean("no-headers", 0, flags.no_headers);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  MK_ASSIGN(const std::string name, one_name(call));
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const auto rows, fetch_metrics(*session, std::string(kBase) + "/nodes", flags, name));
  MK_ASSIGN(const Json nodes, session->get("/api/v1/nodes"));
  TabWriter table;
  if (!flags.no_headers) table.row({"NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"});
  for (const Row& row : rows) {
    Amounts whole;
    for (const Json& node : api::list(nodes, "items"))
      if (api::str(node, "metadata.name") == row.name) whole.add(api::object(node, "status.allocatable"));
    table.row({row.name, row.used.cpu(), percent(row.used.cpu_milli, whole.cpu_milli), row.used.mem(),
               percent(row.used.memory, whole.memory)});
  }
  table.flush(call.io.out);
  return 0;
}

Result<int> run_top_pod(Invocation& call) {
  TopFlags flags;
  call.flags.text("selector", 'l', flags.labels);
  call.flags.text("field-selector", 0, flags.fields);
  call.flags.text("sort-by", 0, flags.sort_by);
  call.flags.boolean("no-headers", 0, flags.no_headers);
  call.flags.boolean("containers", 0, flags.containers);
  call.flags.boolean("sum", 0, flags.sum);
  call.flags.boolean("all-namespaces", 'A', flags.all_namespaces);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  MK_ASSIGN(const std::string name, one_name(call));
  MK_ASSIGN(Session * session, call.connect());
  const std::string path = flags.all_namespaces ? std::string(kBase) + "/pods"
                                                : fmt::format("{}/namespaces/{}/pods", kBase, session->ns());
  MK_ASSIGN(const auto rows, fetch_metrics(*session, path, flags, name));
  if (rows.empty()) {
    call.io.err << (flags.all_namespaces
                        ? "No resources found\n"
                        : fmt::format("No resources found in {} namespace.\n", session->ns()));
    return 0;
  }
  TabWriter table;
  print_pods(rows, flags, table);
  table.flush(call.io.out);
  return 0;
}

}  // namespace mk::kubectl
