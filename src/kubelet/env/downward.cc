#include "env/downward.h"

#include <fmt/core.h>

#include <algorithm>

#include "mk/api/quantity.h"
#include "mk/base/strings.h"

namespace mk::kubelet {

namespace {

// A Go-quoted string, as Kubernetes writes label and annotation files.
std::string quoted(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\a':
        out += "\\a";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\v':
        out += "\\v";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
          out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        else
          out += c;
    }
  }
  return out + "\"";
}

std::string map_lines(const JsonObject& map) {
  std::map<std::string, std::string> sorted;
  for (const auto& entry : map) sorted[std::string(entry.key())] = text_of(&entry.value());
  std::string out;
  for (const auto& [key, value] : sorted) out += (out.empty() ? "" : "\n") + key + "=" + quoted(value);
  return out;
}

Result<std::string> map_entry(const Json& pod, std::string_view path) {
  const auto open = path.find("['");
  if (path.size() < open + 4 || path.substr(path.size() - 2) != "']")
    return Error(Reason::kInvalid, fmt::format("unsupported fieldPath: {}", path));
  const auto map = path.substr(0, open);
  const auto key = path.substr(open + 2, path.size() - open - 4);
  if (map != "metadata.labels" && map != "metadata.annotations")
    return Error(Reason::kInvalid, fmt::format("fieldPath \"{}\" does not support subscript", path));
  return text_of(api::object(pod, map).if_contains(key));
}

std::int64_t ceil_div(std::int64_t amount, std::int64_t divisor) {
  return (amount + divisor - 1) / divisor;
}

}  // namespace

Result<std::string> field_value(const DownwardInputs& in, std::string_view path) {
  const Json& pod = *in.pod;
  if (path.find("['") != std::string_view::npos) return map_entry(pod, path);
  if (path == "metadata.labels" || path == "metadata.annotations") return map_lines(api::object(pod, path));
  if (path == "metadata.name" || path == "metadata.namespace" || path == "metadata.uid" ||
      path == "spec.nodeName")
    return std::string(api::str(pod, path));
  if (path == "spec.serviceAccountName") return std::string(api::str(pod, path, "default"));
  if (path == "status.hostIP" || path == "status.hostIPs") return in.node_ip;
  if (path == "status.podIP") return in.pod_ips.empty() ? std::string() : in.pod_ips.front();
  if (path == "status.podIPs") return join(in.pod_ips, ",");
  return Error(Reason::kInvalid, fmt::format("unsupported fieldPath: {}", path));
}

Result<std::string> resource_value(const DownwardInputs& in, const Json& ref,
                                   std::string_view default_container) {
  const auto resource = api::str(ref, "resource");
  const auto wanted = api::str(ref, "containerName", default_container);
  const Json* container = nullptr;
  for (const auto& candidate : all_containers(*in.pod))
    if (candidate.name() == wanted) container = candidate.spec;
  if (container == nullptr) return Error(Reason::kInvalid, fmt::format("container {} not found", wanted));
  const auto dot = resource.find('.');
  if (dot == std::string_view::npos)
    return Error(Reason::kInvalid, fmt::format("unsupported container resource: {}", resource));
  const auto which = resource.substr(0, dot);
  const auto name = resource.substr(dot + 1);
  std::int64_t amount = container_amount(*container, which, name);
  if (amount == 0 && which == "limits") {
    if (name == "cpu")
      amount = in.allocatable.cpu_milli;
    else if (name == "memory")
      amount = in.allocatable.memory;
    else if (name == "ephemeral-storage")
      amount = in.allocatable.ephemeral_storage;
  }
  std::int64_t divisor = name == "cpu" ? 1000 : 1;
  if (const Json* given = api::find(ref, "divisor")) {
    if (const auto quantity = api::Quantity::parse(text_of(given)); quantity.ok()) {
      const auto value = name == "cpu" ? quantity->milli_value() : quantity->value();
      if (value > 0) divisor = value;
    }
  }
  return std::to_string(ceil_div(amount, divisor));
}

}  // namespace mk::kubelet
