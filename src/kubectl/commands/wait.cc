#include <fmt/format.h>

#include "cli/duration.h"
#include "cluster/gone.h"
#include "cluster/watch.h"
#include "commands/commands.h"
#include "commands/wait_condition.h"
#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;

Result<WaitCondition> WaitCondition::parse(const std::string& text) {
  WaitCondition out;
  if (text == "delete") return out.kind = Kind::kDelete, out;
  if (text == "create") return out.kind = Kind::kCreate, out;
  if (text.substr(0, 10) == "condition=") {
    const std::string rest = text.substr(10);
    const auto equals = rest.find('=');
    out.kind = Kind::kCondition;
    out.name = rest.substr(0, equals);
    out.value = equals == std::string::npos ? "true" : rest.substr(equals + 1);
    return out;
  }
  if (text.substr(0, 9) == "jsonpath=") {
    std::string rest = text.substr(9);
    out.kind = Kind::kJsonPath;
    std::string path = rest;
    // The value follows the closing brace, or the first '=' outside brackets of the relaxed form.
    const auto brace = rest.rfind("}=");
    const auto equals = rest[0] == '{' || rest[0] == '\''
                            ? (brace == std::string::npos ? brace : brace + 1)
                            : rest.find('=', rest.rfind(']') == std::string::npos ? 0 : rest.rfind(']'));
    if (equals != std::string::npos) {
      path = rest.substr(0, equals);
      out.value = rest.substr(equals + 1);
      out.any_value = false;
      if (out.value.empty()) return usage_error("jsonpath wait value cannot be empty");
    } else {
      out.any_value = true;
    }
    MK_ASSIGN(out.path, JsonPath::parse_relaxed(path));
    return out;
  }
  return usage_error(fmt::format("unrecognized condition: \"{}\"", text));
}

Result<bool> WaitCondition::holds(const Json& object) const {
  if (kind == Kind::kCreate) return true;
  if (kind == Kind::kDelete) return false;
  if (kind == Kind::kCondition) {
    for (const auto& condition : api::list(object, "status.conditions")) {
      if (to_lower(api::str(condition, "type")) != to_lower(name)) continue;
      const auto generation = api::num(object, "metadata.generation"),
                 observed = api::num(condition, "observedGeneration");
      if (observed > 0 && observed < generation) return false;  // tells of an older spec
      return to_lower(api::str(condition, "status")) == to_lower(value);
    }
    return false;
  }
  const auto values = path->find(object);
  if (!values.ok() || values->empty()) return false;
  if (any_value) return true;
  for (const Json* found : *values) {
    if (plain_text(*found) != value) return false;
  }
  return true;
}

namespace {

Error timed_out(const Target& target) {
  return usage_error(fmt::format("timed out waiting for the condition on {}/{}",
                                 target.resource->gvr.resource, target.name));
}

Result<void> wait_until(Session& session, const Target& target, const WaitCondition& condition,
                        const Deadline& deadline) {
  for (;;) {
    auto live = session.get(target.path());
    if (!live && !(live.error().is(Reason::kNotFound) && condition.kind == WaitCondition::Kind::kCreate))
      return std::move(live).error();
    if (live.ok()) {
      MK_ASSIGN(const bool there, condition.holds(*live));
      if (there) return ok();
    } else {
      if (deadline && session.clock().mono() >= *deadline) return timed_out(target);
      session.sleep(std::chrono::milliseconds(200));
      continue;
    }
    Target collection = target;
    collection.name.clear();
    Watcher watcher(session, collection.path() + "?fieldSelector=metadata.name=" + target.name,
                    std::string(api::str(*live, "metadata.resourceVersion")));
    for (bool watching = true; watching;) {
      auto event = watcher.next(time_left(session, deadline));
      if (!event && event.error().is(Reason::kTimeout)) return timed_out(target);
      if (!event) return std::move(event).error();
      watching = event->has_value();
      if (!watching) break;
      MK_ASSIGN(const bool there, condition.holds((*event)->object));
      if (there && (*event)->type != "DELETED") return ok();
    }
    session.sleep(std::chrono::milliseconds(200));
  }
}

}  // namespace

Result<int> run_wait(Invocation& call) {
  FileFlags files;
  Selectors selectors;
  std::string condition_text, timeout = "30s";
  bool all = false, all_namespaces = false;
  files.bind(call.flags);
  selectors.bind(call.flags);
  call.flags.text("for", 0, condition_text)
      .text("timeout", 0, timeout)
      .boolean("all", 0, all)
      .boolean("all-namespaces", 'A', all_namespaces)
      .ignored("output", 'o', true);
  MK_TRY(call.parse());
  MK_ASSIGN(const WaitCondition condition, WaitCondition::parse(condition_text));
  MK_ASSIGN(auto limit, parse_duration(timeout));
  if (limit.count() < 0) limit = std::chrono::hours(24 * 7);  // negative: a week
  if (limit.count() == 0) limit = rt::Duration(1);            // look once
  MK_ASSIGN(Session * session, call.connect());
  TargetRules rules;
  rules.all_namespaces = all_namespaces;
  MK_ASSIGN(auto targets, choose_targets(call, *session, files, rules));
  const auto deadline = deadline_after(*session, limit);
  std::vector<Target> each;
  for (const auto& target : targets) {
    if (!target.name.empty()) {
      each.push_back(target);
      continue;
    }
    MK_ASSIGN(const auto found, fetch(*session, {target}, selectors));
    for (const auto& entry : found) each.push_back(entry.target);
  }
  if (each.empty() && condition.kind != WaitCondition::Kind::kDelete)
    return usage_error("no matching resources found");
  int code = 0;
  for (const auto& target : each) {
    const bool deletion = condition.kind == WaitCondition::Kind::kDelete;
    auto done = deletion ? wait_until_gone(*session, target, "", deadline)
                         : wait_until(*session, target, condition, deadline);
    if (done.ok()) {
      call.io.out << target.label() << (deletion ? " deleted" : " condition met") << std::endl;
      continue;
    }
    call.io.err << error_text(done.error()) << "\n";
    code = 1;
  }
  return code;
}

}  // namespace mk::kubectl
