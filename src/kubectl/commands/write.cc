#include "commands/write.h"

#include <fmt/format.h>

#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;

void WriteFlags::bind(Flags& flags, std::string manager) {
  field_manager = std::move(manager);
  flags.optional_text("dry-run", 0, dry_run, "unchanged")
      .text("output", 'o', output)
      .text("field-manager", 0, field_manager)
      .boolean("show-managed-fields", 0, show_managed_fields)
      .optional_text("validate", 0, validation, "strict")
      .ignored("save-config", 0, false)
      .ignored("record", 0, false);
}

Result<void> WriteFlags::check() const {
  const bool known = validation == "strict" || validation == "true" || validation == "warn" ||
                     validation == "ignore" || validation == "false";
  if (!known)
    return usage_error(fmt::format(
        "invalid - validate option \"{}\"; must be one of: strict (or true), warn, ignore (or false)",
        validation));
  if (dry_run == "none" || dry_run == "client" || dry_run == "server" || dry_run == "false") return ok();
  return usage_error(
      fmt::format("Invalid dry-run value ({}). Must be \"none\", \"server\", or \"client\".", dry_run));
}

std::string WriteFlags::query() const {
  std::string out = "?fieldManager=" + url_encode(field_manager);
  if (dry_run == "server") out += "&dryRun=All";
  return out;
}

std::string WriteFlags::validated_query() const {
  const bool ignore = validation == "ignore" || validation == "false";
  return query() + "&fieldValidation=" + (ignore ? "Ignore" : validation == "warn" ? "Warn" : "Strict");
}

Result<void> WriteFlags::report(Io& io, const Json& object, std::string_view verb) const {
  PrinterOptions options;
  options.output = output;
  options.show_managed_fields = show_managed_fields;
  MK_ASSIGN(auto printer, make_printer(options));
  if (printer) return printer->print(object, io.out);
  io.out << type_and_name(object) << " " << verb
         << (dry_run == "client"   ? " (dry run)"
             : dry_run == "server" ? " (server dry run)"
                                   : "")
         << "\n";
  io.out.flush();
  return ok();
}

Result<int> create_and_report(Invocation& call, const WriteFlags& flags, Json object) {
  if (flags.client_only()) {
    if (!call.globals.ns.empty() && api::str(object, "kind") != "Namespace")
      api::set(object, "metadata.namespace", api::text(call.globals.ns));
    MK_TRY(flags.report(call.io, object, "created"));
    return 0;
  }
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(Target target, target_of(*session, object));
  target.name.clear();
  auto made = session->send("POST", target.path() + flags.validated_query(), object);
  const auto kind = api::str(object, "kind");
  const bool says_what_failed = kind == "ConfigMap" || kind == "Deployment" || kind == "ServiceAccount";
  if (!made && says_what_failed && made.error().is(Reason::kAlreadyExists)) {
    std::string text = made.error().message();
    const std::string head = "Error from server (AlreadyExists): ";
    if (text.substr(0, head.size()) == head)
      text = "error: failed to create " + to_lower(kind) + ": " + text.substr(head.size());
    return Error(Reason::kAlreadyExists, text);
  }
  if (!made) return std::move(made).error();
  MK_TRY(flags.report(call.io, *made, "created"));
  return 0;
}

Result<Json> patch_object(Session& session, const Target& target, const Json& patch, std::string_view kind,
                          const WriteFlags& flags, const std::string& subresource) {
  return session.send("PATCH", target.path(subresource) + flags.query(), patch, std::string(kind));
}

Result<std::vector<std::pair<std::string, std::string>>> parse_pairs(const std::vector<std::string>& words) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
      return usage_error(fmt::format("unexpected argument \"{}\": expected key=value", word));
    out.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return out;
}

Result<std::string> exact_name(const Invocation& call) {
  if (call.words.size() != 1)
    return usage_error(
        fmt::format("exactly one NAME is required, got {}\nSee 'kubectl {} -h' for help and examples",
                    call.words.size(), call.path));
  return call.words[0];
}

api::Json named(const char* version, const char* kind, const std::string& name) {
  return api::Json(api::JsonObject{
      {"apiVersion", version}, {"kind", kind}, {"metadata", api::JsonObject{{"name", api::text(name)}}}});
}

std::vector<std::string> take_command(Invocation& call) {
  std::vector<std::string> command;
  if (call.dash && *call.dash < call.words.size()) {
    command.assign(call.words.begin() + static_cast<std::ptrdiff_t>(*call.dash), call.words.end());
    call.words.resize(*call.dash);
  }
  return command;
}

}  // namespace mk::kubectl
