#include "resource_metrics/readings.h"

#include <fmt/core.h>

#include <cmath>
#include <cstdlib>

#include "mk/base/strings.h"

namespace mk::apiserver {

namespace {

constexpr rt::Duration kLeastWindow = std::chrono::milliseconds(500);

struct Line {
  std::string_view name;
  std::map<std::string, std::string, std::less<>> labels;
  double value = 0;
  rt::WallTime at;

  std::string label(std::string_view key) const {
    const auto found = labels.find(key);
    return found == labels.end() ? "" : found->second;
  }
};

// `name="value",...}` with \" \\ \n in values. What is left of `text` follows the brace.
bool read_labels(std::string_view& text, Line& out) {
  while (!text.empty() && text.front() != '}') {
    const auto mark = text.find("=\"");
    if (mark == std::string_view::npos) return false;
    const std::string key(text.substr(0, mark));
    std::string value;
    std::size_t at = mark + 2;
    for (; at < text.size() && text[at] != '"'; ++at) {
      if (text[at] == '\\' && at + 1 < text.size()) {
        ++at;
        value += text[at] == 'n' ? '\n' : text[at];
      } else {
        value += text[at];
      }
    }
    if (at >= text.size()) return false;
    out.labels[key] = std::move(value);
    text.remove_prefix(at + 1);
    if (!text.empty() && text.front() == ',') text.remove_prefix(1);
  }
  if (text.empty()) return false;
  text.remove_prefix(1);
  return true;
}

rt::WallTime wall(double milliseconds) {
  return rt::WallTime(
      std::chrono::duration_cast<rt::Duration>(std::chrono::duration<double, std::milli>(milliseconds)));
}

std::optional<Line> read_line(std::string_view text) {
  Line out;
  const auto end = text.find_first_of("{ ");
  if (end == std::string_view::npos) return std::nullopt;
  out.name = text.substr(0, end);
  const bool labelled = text[end] == '{';
  text.remove_prefix(end + (labelled ? 1 : 0));
  if (labelled && !read_labels(text, out)) return std::nullopt;
  const std::string rest(trim(text));
  char* after = nullptr;
  out.value = std::strtod(rest.c_str(), &after);
  if (after == rest.c_str() || !std::isfinite(out.value)) return std::nullopt;
  const double stamp = std::strtod(after, nullptr);
  if (stamp > 0 && stamp < 9e15) out.at = wall(stamp);
  return out;
}

void take(const Line& line, NodeReadings& out) {
  const bool cpu = line.name.ends_with("_cpu_usage_seconds_total");
  const bool memory = line.name.ends_with("_memory_working_set_bytes");
  const bool start = line.name == "container_start_time_seconds";
  const bool container = line.name.starts_with("container_"), node = line.name.starts_with("node_");
  if ((!cpu && !memory && !start) || (!container && !node)) return;
  Reading& reading =
      node ? out.node : out.pods[line.label("namespace") + "/" + line.label("pod")][line.label("container")];
  if (start) {
    reading.started = wall(line.value * 1000);
    return;
  }
  reading.at = line.at;
  if (cpu)
    reading.cpu_seconds = line.value;
  else
    reading.memory = static_cast<std::int64_t>(line.value);
}

}  // namespace

Result<NodeReadings> parse_readings(std::string_view text) {
  NodeReadings out;
  for (const auto part : split(text, '\n')) {
    const auto line = trim(part);
    if (line.empty() || line.front() == '#') continue;
    const auto read = read_line(line);
    if (!read) return Error(Reason::kInvalid, fmt::format("no line of metrics: {}", line.substr(0, 100)));
    take(*read, out);
  }
  if (out.node.cpu_seconds < 0) return Error(Reason::kInvalid, "the metrics say nothing of the node");
  return out;
}

std::optional<Usage> usage_since(const Reading* before, const Reading& now) {
  Reading begin;
  begin.at = now.started;
  begin.cpu_seconds = 0;
  // A container that was started again counts from its start.
  if (before != nullptr && before->started == now.started) begin = *before;
  if (begin.at == rt::WallTime() || begin.cpu_seconds < 0 || now.cpu_seconds < begin.cpu_seconds ||
      now.memory < 0)
    return std::nullopt;
  const rt::Duration window = now.at - begin.at;
  if (window < kLeastWindow) return std::nullopt;
  const double seconds = std::chrono::duration<double>(window).count();
  return Usage{static_cast<std::int64_t>((now.cpu_seconds - begin.cpu_seconds) / seconds * 1e9), now.memory,
               now.at, window};
}

std::string cpu_text(std::int64_t nano_cores) {
  return nano_cores == 0 ? "0" : fmt::format("{}n", nano_cores);
}

std::string memory_text(std::int64_t bytes) {
  return bytes % 1024 == 0 && bytes != 0 ? fmt::format("{}Ki", bytes / 1024) : std::to_string(bytes);
}

std::string window_text(rt::Duration window) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(window).count();
  const auto minutes = milliseconds / 60000;
  const auto rest = static_cast<double>(milliseconds % 60000) / 1000;
  return minutes > 0 ? fmt::format("{}m{:g}s", minutes, rest) : fmt::format("{:g}s", rest);
}

}  // namespace mk::apiserver
