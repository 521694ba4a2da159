#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "describe/describe.h"
#include "mk/api/table.h"
#include "mk/base/strings.h"
#include "mk/rt/clock.h"
#include "print/jsonpath.h"

namespace mk::kubectl {

using api::Json;
using api::JsonArray;
using api::JsonObject;

namespace {

const Json kNone(nullptr);

std::string probe_text(const Json& probe) {
  std::string action = "unknown";
  if (const Json* http = api::find(probe, "httpGet")) {
    const Json* port = api::find(*http, "port");
    action = fmt::format("http-get {}://{}:{}{}", to_lower(api::str(*http, "scheme", "HTTP")),
                         api::str(*http, "host"), port ? plain_text(*port) : "", api::str(*http, "path"));
  } else if (const Json* tcp = api::find(probe, "tcpSocket")) {
    const Json* port = api::find(*tcp, "port");
    action = fmt::format("tcp-socket {}:{}", api::str(*tcp, "host"), port ? plain_text(*port) : "");
  } else if (api::find(probe, "exec")) {
    std::vector<std::string> words;
    for (const auto& word : api::list(probe, "exec.command")) words.push_back(plain_text(word));
    action = "exec [" + join(words, " ") + "]";
  } else if (const Json* grpc = api::find(probe, "grpc")) {
    action = fmt::format("grpc <pod>:{} {}", api::num(*grpc, "port"), api::str(*grpc, "service"));
  }
  return fmt::format("{} delay={}s timeout={}s period={}s #success={} #failure={}", action,
                     api::num(probe, "initialDelaySeconds"), api::num(probe, "timeoutSeconds", 1),
                     api::num(probe, "periodSeconds", 10), api::num(probe, "successThreshold", 1),
                     api::num(probe, "failureThreshold", 3));
}

std::string volume_kind(const Json& volume) {
  for (const auto& field : volume.is_object() ? volume.get_object() : JsonObject()) {
    if (field.key() != "name") return std::string(field.key());
  }
  return "unknown";
}

std::string capitalized(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace

std::string long_time(std::string_view rfc3339) {
  const auto time = rt::parse_time(rfc3339);
  if (!time) return std::string(rfc3339);
  const std::time_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(time->time_since_epoch()).count();
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char out[64];
  std::strftime(out, sizeof out, "%a, %d %b %Y %H:%M:%S %z", &parts);
  return out;
}

std::string Page::age(std::string_view time) const {
  const auto parsed = rt::parse_time(time);
  if (!parsed) return "<unknown>";
  return api::human_duration(
      now_ - std::chrono::duration_cast<std::chrono::seconds>(parsed->time_since_epoch()).count());
}

void Page::line(int depth, std::string_view text) {
  text_.append(static_cast<std::size_t>(depth) * 2, ' ').append(text).append("\n");
}

void Page::field(int depth, std::string_view name, std::string_view value) {
  line(depth, fmt::format("{}:\t{}", name, value.empty() ? "<none>" : value));
}

void Page::lines(int depth, std::string_view name, const std::vector<std::string>& values) {
  if (values.empty()) return field(depth, name, "");
  bool first = true;
  for (const auto& value : values) {
    line(depth, fmt::format("{}\t{}", first ? std::string(name) + ":" : "", value));
    first = false;
  }
}

void Page::map(int depth, std::string_view name, const JsonObject& values) {
  std::vector<std::string> texts;
  const bool annotations = name == "Annotations";
  for (const auto& field : values) {
    if (field.key() == "kubectl.kubernetes.io/last-applied-configuration") continue;
    texts.push_back(std::string(field.key()) + (annotations ? ": " : "=") + plain_text(field.value()));
  }
  std::sort(texts.begin(), texts.end());
  lines(depth, name, texts);
}

void Page::head(const Json& object, bool namespaced) {
  field(0, "Name", api::str(object, "metadata.name"));
  if (namespaced) field(0, "Namespace", api::str(object, "metadata.namespace"));
  map(0, "Labels", api::object(object, "metadata.labels"));
  map(0, "Annotations", api::object(object, "metadata.annotations"));
}

void Page::conditions(const Json& object, bool with_reason) {
  const auto& all = api::list(object, "status.conditions");
  if (all.empty()) return;
  line(0, "Conditions:");
  line(1, with_reason ? "Type\tStatus\tReason" : "Type\tStatus");
  line(1, with_reason ? "----\t------\t------" : "");
  if (!with_reason) text_.resize(text_.size() - 3);
  for (const auto& condition : all) {
    std::string row = fmt::format("{}\t{}", api::str(condition, "type"), api::str(condition, "status"));
    if (with_reason) row += fmt::format("\t{}", api::str(condition, "reason"));
    line(1, row + (with_reason ? "" : " "));
  }
}

void Page::events(const Json& list) {
  if (list.is_null()) return;
  const auto& items = api::list(list, "items");
  if (items.empty()) return field(0, "Events", "");
  std::vector<const Json*> sorted;
  for (const auto& item : items) sorted.push_back(&item);
  const auto last = [](const Json* event) {
    const auto time = api::str(*event, "lastTimestamp");
    const auto series = api::str(*event, "series.lastObservedTime");
    return std::string(!time.empty() ? time
                       : !series.empty()
                           ? series
                           : api::str(*event, "eventTime", api::str(*event, "metadata.creationTimestamp")));
  };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const Json* a, const Json* b) { return last(a) < last(b); });
  line(0, "Events:");
  line(1, "Type\tReason\tAge\tFrom\tMessage");
  line(1, "----\t------\t----\t----\t-------");
  for (const Json* event : sorted) {
    std::string when = age(last(event));
    const auto count = std::max(api::num(*event, "count"), api::num(*event, "series.count"));
    const auto first = api::str(*event, "firstTimestamp", api::str(*event, "eventTime"));
    if (count > 1) when = fmt::format("{} (x{} over {})", when, count, age(first));
    const auto from = api::str(*event, "source.component", api::str(*event, "reportingComponent"));
    line(1, fmt::format("{}\t{}\t{}\t{}\t{}", api::str(*event, "type"), api::str(*event, "reason"), when,
                        from, trim(api::str(*event, "message"))));
  }
}

void Page::state(int depth, std::string_view name, const Json& state) {
  if (const Json* running = api::find(state, "running")) {
    field(depth, name, "Running");
    field(depth + 1, "Started", long_time(api::str(*running, "startedAt")));
  } else if (const Json* ended = api::find(state, "terminated")) {
    field(depth, name, "Terminated");
    if (!api::str(*ended, "reason").empty()) field(depth + 1, "Reason", api::str(*ended, "reason"));
    if (!api::str(*ended, "message").empty()) field(depth + 1, "Message", api::str(*ended, "message"));
    field(depth + 1, "Exit Code", std::to_string(api::num(*ended, "exitCode")));
    if (api::num(*ended, "signal") > 0)
      field(depth + 1, "Signal", std::to_string(api::num(*ended, "signal")));
    field(depth + 1, "Started", long_time(api::str(*ended, "startedAt")));
    field(depth + 1, "Finished", long_time(api::str(*ended, "finishedAt")));
  } else {
    field(depth, name, "Waiting");
    if (!api::str(state, "waiting.reason").empty())
      field(depth + 1, "Reason", api::str(state, "waiting.reason"));
  }
}

void Page::environment(const JsonArray& variables, int depth) {
  if (variables.empty()) return field(depth, "Environment", "");
  line(depth, "Environment:");
  for (const auto& variable : variables) {
    std::string value(api::str(variable, "value"));
    if (const Json* ref = api::find(variable, "valueFrom.fieldRef"))
      value = fmt::format(" ({}:{})", api::str(*ref, "apiVersion", "v1"), api::str(*ref, "fieldPath"));
    if (const Json* ref = api::find(variable, "valueFrom.secretKeyRef"))
      value = fmt::format("<set to the key '{}' in secret '{}'>\tOptional: {}", api::str(*ref, "key"),
                          api::str(*ref, "name"), api::flag(*ref, "optional"));
    if (const Json* ref = api::find(variable, "valueFrom.configMapKeyRef"))
      value = fmt::format("<set to the key '{}' of config map '{}'>\tOptional: {}", api::str(*ref, "key"),
                          api::str(*ref, "name"), api::flag(*ref, "optional"));
    line(depth + 1, fmt::format("{}:\t{}", api::str(variable, "name"), value));
  }
}

void Page::container(const Json& container, const Json& status, int depth) {
  line(depth, fmt::format("{}:", api::str(container, "name")));
  const int d = depth + 1;
  if (!status.is_null()) field(d, "Container ID", api::str(status, "containerID"));
  field(d, "Image", api::str(container, "image"));
  if (!status.is_null()) field(d, "Image ID", api::str(status, "imageID"));
  std::vector<std::string> ports, host_ports;
  for (const auto& port : api::list(container, "ports")) {
    const auto protocol = api::str(port, "protocol", "TCP");
    const auto name = api::str(port, "name");
    ports.push_back(fmt::format("{}/{}{}", api::num(port, "containerPort"), protocol,
                                name.empty() ? "" : fmt::format(" ({})", name)));
    host_ports.push_back(fmt::format("{}/{}{}", api::num(port, "hostPort"), protocol,
                                     name.empty() ? "" : fmt::format(" ({})", name)));
  }
  field(d, ports.size() > 1 ? "Ports" : "Port", join(ports, ", "));
  field(d, ports.size() > 1 ? "Host Ports" : "Host Port", join(host_ports, ", "));
  for (const char* list : {"command", "args"}) {
    if (api::list(container, list).empty()) continue;
    line(d, capitalized(list) + ":");
    for (const auto& word : api::list(container, list)) {
      const std::string text = plain_text(word);
      for (const auto part : split(text, '\n')) line(d + 1, part);
    }
  }
  if (!status.is_null()) {
    const Json* now = api::find(status, "state");
    state(d, "State", now ? *now : kNone);
    const Json* before = api::find(status, "lastState");
    if (before && !before->as_object().empty()) state(d, "Last State", *before);
    field(d, "Ready", api::flag(status, "ready") ? "True" : "False");
    field(d, "Restart Count", std::to_string(api::num(status, "restartCount")));
  }
  for (const char* kind : {"limits", "requests"}) {
    const auto& amounts = api::object(container, std::string("resources.") + kind);
    if (amounts.empty()) continue;
    line(d, capitalized(kind) + ":");
    for (const auto& amount : amounts)
      line(d + 1, fmt::format("{}:\t{}", std::string_view(amount.key().data(), amount.key().size()),
                              plain_text(amount.value())));
  }
  for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    if (const Json* found = api::find(container, probe))
      field(d, capitalized(std::string(probe).substr(0, std::string_view(probe).find('P'))),
            probe_text(*found));
  }
  environment(api::list(container, "env"), d);
  std::vector<std::string> mounts;
  for (const auto& mount : api::list(container, "volumeMounts")) {
    const auto sub = api::str(mount, "subPath");
    mounts.push_back(fmt::format("{} from {} ({}{})", api::str(mount, "mountPath"), api::str(mount, "name"),
                                 api::flag(mount, "readOnly") ? "ro" : "rw",
                                 sub.empty() ? "" : fmt::format(",path=\"{}\"", sub)));
  }
  std::sort(mounts.begin(), mounts.end());
  if (mounts.empty()) return field(d, "Mounts", "");
  line(d, "Mounts:");
  for (const auto& mount : mounts) line(d + 1, mount);
}

void Page::containers(std::string_view title, const JsonArray& containers, const JsonArray& statuses,
                      int depth) {
  if (containers.empty()) return;
  line(depth, fmt::format("{}:", title));
  for (const auto& one : containers) {
    const Json* found = nullptr;
    for (const auto& status : statuses) {
      if (api::str(status, "name") == api::str(one, "name")) found = &status;
    }
    container(one, found ? *found : kNone, depth + 1);
  }
}

void Page::volumes(const JsonArray& volumes, int depth) {
  if (volumes.empty()) return field(depth, "Volumes", "");
  line(depth, "Volumes:");
  for (const auto& volume : volumes) {
    const std::string kind = volume_kind(volume);
    line(depth + 1, fmt::format("{}:", api::str(volume, "name")));
    field(depth + 2, "Type", capitalized(kind));
    const Json* source = api::member(volume, kind);
    for (const auto& setting : source && source->is_object() ? source->get_object() : JsonObject()) {
      if (setting.value().is_structured()) continue;
      field(depth + 2, capitalized(std::string(setting.key())), plain_text(setting.value()));
    }
  }
}

void Page::pod_template(const Json& pod_template) {
  line(0, "Pod Template:");
  map(1, "Labels", api::object(pod_template, "metadata.labels"));
  if (!api::object(pod_template, "metadata.annotations").empty())
    map(1, "Annotations", api::object(pod_template, "metadata.annotations"));
  if (!api::str(pod_template, "spec.serviceAccountName").empty())
    field(1, "Service Account", api::str(pod_template, "spec.serviceAccountName"));
  containers("Init Containers", api::list(pod_template, "spec.initContainers"), {}, 1);
  containers("Containers", api::list(pod_template, "spec.containers"), {}, 1);
  volumes(api::list(pod_template, "spec.volumes"), 1);
  map(1, "Node-Selectors", api::object(pod_template, "spec.nodeSelector"));
}

}  // namespace mk::kubectl
