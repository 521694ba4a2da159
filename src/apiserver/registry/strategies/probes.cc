#include "registry/strategies/probes.h"

#include <fmt/format.h>

#include "registry/strategies/int_or_percent.h"
#include "registry/strategies/names.h"

namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::string_view kHandlers[] = {"exec", "httpGet", "tcpSocket", "grpc", "sleep"};

void default_http_get(Json* action) {
  if (action == nullptr) return;
  default_text(*action, "path", "/");
  default_text(*action, "scheme", "HTTP");
}

void default_probe(Json* probe) {
  if (probe == nullptr || !probe->is_object()) return;
  const auto positive = [&](std::string_view field, std::int64_t value) {
    if (api::num(*probe, field) == 0) api::set(*probe, field, value);
  };
  positive("timeoutSeconds", 1);
  positive("periodSeconds", 10);
  positive("successThreshold", 1);
  positive("failureThreshold", 3);
  default_http_get(edit(*probe, "httpGet"));
  if (Json* grpc = edit(*probe, "grpc")) default_to(*grpc, "service", api::text(""));
}

void validate_http_get(const Json& action, const Path& path, Report& report) {
  if (api::str(action, "path").empty()) report.required(path.child("path"));
  if (const Json* port = api::find(action, "port")) validate_port_ref(*port, path.child("port"), report);
  check_enum(action, "scheme", {"HTTP", "HTTPS"}, path, report, Presence::kOptional);
  const auto& headers = api::list(action, "httpHeaders");
  const Path headers_path = path.child("httpHeaders");
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto name = api::str(headers[i], "name");
    // Kubernetes reports the field without an index.
    report.check(headers_path, name, check_http_header_name(name));
  }
}

void validate_sleep(const Json& action, std::int64_t grace, const Path& path, Report& report) {
  const auto seconds = api::num(action, "seconds");
  if (seconds >= 0 && seconds <= grace) return;
  report.invalid(path, seconds,
                 fmt::format("must be non-negative and less than terminationGracePeriodSeconds ({})", grace));
}

// Exactly one of the handlers; `grace` < 0: no sleep here.
void validate_handler(const Json& handler, std::int64_t grace, const Path& path, Report& report) {
  int count = 0;
  for (const auto name : kHandlers) {
    const Json* action = api::member(handler, name);
    if (action == nullptr) continue;
    const Path action_path = path.child(name);
    if (++count > 1) {
      report.forbidden(action_path, "may not specify more than 1 handler type");
    } else if (name == "exec") {
      if (api::list(*action, "command").empty()) report.required(action_path.child("command"));
    } else if (name == "httpGet") {
      validate_http_get(*action, action_path, report);
    } else if (name == "tcpSocket") {
      if (const Json* port = api::find(*action, "port"))
        validate_port_ref(*port, action_path.child("port"), report);
    } else if (name == "grpc") {
      const auto port = api::num(*action, "port");
      if (!check_port_number(port).empty()) report.invalid(action_path.child("port"), port, kPortRange);
    } else {
      validate_sleep(*action, grace, action_path, report);
    }
  }
  if (count == 0) report.required(path, "must specify a handler type");
}

void validate_probe(const Json& probe, std::int64_t grace, const Path& path, Report& report) {
  validate_handler(probe, grace, path, report);
  for (const std::string_view field :
       {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"}) {
    check_non_negative(probe, field, path, report);
  }
  if (api::find(probe, "terminationGracePeriodSeconds") &&
      api::num(probe, "terminationGracePeriodSeconds") <= 0) {
    report.invalid(path.child("terminationGracePeriodSeconds"),
                   api::num(probe, "terminationGracePeriodSeconds"), "must be greater than 0");
  }
}

}  // namespace

void default_container_probes(Json& container) {
  for (const auto name : {"livenessProbe", "readinessProbe", "startupProbe"})
    default_probe(edit(container, name));
  default_http_get(edit(container, "lifecycle.postStart.httpGet"));
  default_http_get(edit(container, "lifecycle.preStop.httpGet"));
}

void validate_lifecycle(const Json& lifecycle, std::int64_t grace, const Path& path, Report& report) {
  for (const std::string_view name : {"postStart", "preStop"}) {
    if (const Json* handler = api::member(lifecycle, name))
      validate_handler(*handler, grace, path.child(name), report);
  }
}

void validate_container_probes(const Json& container, std::int64_t grace, const Path& path, Report& report) {
  for (const std::string_view name : {"livenessProbe", "startupProbe"}) {
    const Json* probe = api::member(container, name);
    if (probe == nullptr) continue;
    const Path probe_path = path.child(name);
    validate_probe(*probe, grace, probe_path, report);
    if (const auto threshold = api::num(*probe, "successThreshold"); threshold != 1) {
      report.invalid(probe_path.child("successThreshold"), threshold, "must be 1");
    }
  }
  if (const Json* probe = api::member(container, "readinessProbe")) {
    const Path probe_path = path.child("readinessProbe");
    validate_probe(*probe, grace, probe_path, report);
    if (const Json* seconds = api::find(*probe, "terminationGracePeriodSeconds")) {
      report.invalid(probe_path.child("terminationGracePeriodSeconds"), *seconds,
                     "must not be set for readinessProbes");
    }
  }
}

}  // namespace mk::apiserver
