#include <fmt/format.h>

#include "commands/commands.h"
#include "commands/write.h"
#include "mk/api/selector.h"
#include "mk/base/strings.h"
#include "patch/three_way.h"

namespace mk::kubectl {

using api::Json;

namespace {

constexpr int kConflictRetries = 5;

struct ApplyFlags {
  WriteFlags write;
  FileFlags files;
  Selectors selectors;
  bool server_side = false, force_conflicts = false, prune = false, force = false, overwrite = true;
};

// The server's words with what was being done in front of them: "Error from server (X): error when creating
// ...".
Error in_context(const Error& error, const std::string& doing) {
  const std::string& text = error.message();
  const auto colon = text.find("): ");
  if (text.substr(0, 17) != "Error from server" || colon == std::string::npos) return error;
  return Error(error.reason(), text.substr(0, colon + 3) + doing + ": " + text.substr(colon + 3));
}

class Applier {
 public:
  Applier(Invocation& call, Session& session, const ApplyFlags& flags)
      : call_(call), session_(session), flags_(flags) {}

  Result<void> apply(Document document) {
    if (api::str(document.object, "metadata.name").empty() &&
        !api::str(document.object, "metadata.generateName").empty())
      return usage_error("from " + std::string(api::str(document.object, "metadata.generateName")) +
                         ": cannot use generate name with apply");
    MK_ASSIGN(const Target target, target_of(session_, document.object));
    if (target.name.empty())
      return usage_error(
          fmt::format("error when retrieving current configuration of {}: resource name may not be empty",
                      document.source));
    return flags_.server_side ? apply_on_server(document, target) : apply_here(document, target);
  }

 private:
  Result<void> apply_on_server(const Document& document, const Target& target) {
    std::string query = flags_.write.validated_query();
    query += flags_.force_conflicts ? "&force=true" : "&force=false";
    auto result =
        session_.send("PATCH", target.path() + query, document.object, "application/apply-patch+yaml");
    if (!result && result.error().is(Reason::kConflict)) return conflict_text(result.error());
    if (!result) return std::move(result).error();
    return flags_.write.report(call_.io, *result, "serverside-applied");
  }

  static Error conflict_text(const Error& error) {
    std::string text = error.message();
    const auto head = text.find("): ");
    text = "error: " + (head == std::string::npos ? text : text.substr(head + 3));
    text +=
        "\nPlease review the fields above--they currently have other managers. Here\nare the ways you can "
        "resolve this warning:\n"
        "* If you intend to manage all of these fields, please re-run the apply\n  command with the "
        "`--force-conflicts` flag.\n"
        "* If you do not intend to manage all of the fields, please edit your\n  manifest to remove "
        "references to the fields that should keep their\n  current managers.\n"
        "* You may co-own fields by updating your manifest to match the existing\n  value; in this case, "
        "you'll become the manager if the other manager(s)\n  stop managing the field (remove it from their "
        "configuration).\n"
        "See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts";
    return Error(error.reason(), std::move(text));
  }

  Result<void> apply_here(const Document& document, const Target& target) {
    for (int attempt = 0;; ++attempt) {
      auto live = session_.get(target.path());
      if (!live && !live.error().is(Reason::kNotFound)) return std::move(live).error();
      auto done = live.ok() ? update(document, target, *live) : create(document, target);
      // Somebody else wrote in between: look again.
      if (done.ok() || !done.error().is(Reason::kConflict) || attempt >= kConflictRetries) return done;
      session_.sleep(std::chrono::milliseconds(200));
    }
  }

  Result<void> create(const Document& document, const Target& target) {
    const Json object = with_last_applied(document.object);
    if (flags_.write.client_only()) return flags_.write.report(call_.io, object, "created");
    Target collection = target;
    collection.name.clear();
    auto made = session_.send("POST", collection.path() + flags_.write.validated_query(), object);
    if (!made) return in_context(made.error(), fmt::format("error when creating \"{}\"", document.source));
    return flags_.write.report(call_.io, *made, "created");
  }

  Result<void> update(const Document& document, const Target& target, const Json& live) {
    const api::Type* type = api::builtin_schema().type(target.resource->gvk());
    const Json original = last_applied_of(live);
    if (original.is_null())
      call_.io.err << fmt::format(
          "Warning: resource {}/{} is missing the {} annotation which is required by kubectl apply. kubectl "
          "apply should only be used on resources created declaratively by either kubectl create "
          "--save-config or kubectl apply. The missing annotation will be patched automatically.\n",
          target.resource->gvr.resource, target.name, kLastApplied);
    const Json patch = three_way_patch(type, original, with_last_applied(document.object), live);
    if (patch.as_object().empty()) return flags_.write.report(call_.io, live, "unchanged");
    if (flags_.write.client_only()) return flags_.write.report(call_.io, live, "configured");
    auto result = session_.send("PATCH", target.path() + flags_.write.validated_query(), patch,
                                type ? kStrategic : kMerge);
    if (!result)
      return in_context(
          result.error(),
          fmt::format("error when applying patch:\n{}\nto:\nName: \"{}\", Namespace: \"{}\"\nfor: \"{}\": "
                      "error when patching \"{}\"",
                      api::to_json(patch), target.name, target.ns, document.source, document.source));
    return flags_.write.report(call_.io, *result, "configured");
  }

  Invocation& call_;
  Session& session_;
  const ApplyFlags& flags_;
};

bool selected(const Json& object, const std::string& labels) {
  const auto selector = api::LabelSelector::parse(labels);
  return selector.ok() && selector->matches(api::object(object, "metadata.labels"));
}

}  // namespace

Result<int> run_apply(Invocation& call) {
  ApplyFlags flags;
  flags.files.bind(call.flags);
  flags.write.bind(call.flags, "");
  call.flags.boolean("server-side", 0, flags.server_side)
      .boolean("force-conflicts", 0, flags.force_conflicts)
      .boolean("prune", 0, flags.prune)
      .boolean("force", 0, flags.force)
      .boolean("overwrite", 0, flags.overwrite)
      .text("selector", 'l', flags.selectors.labels)
      .ignored("wait", 0, false)
      .ignored("timeout", 0, true);
  MK_TRY(call.parse());
  MK_TRY(flags.write.check());
  if (flags.write.field_manager.empty())
    flags.write.field_manager = flags.server_side ? "kubectl" : "kubectl-client-side-apply";
  if (!call.words.empty())
    return usage_error(fmt::format("Unexpected args: [{}]\nSee 'kubectl apply -h' for help and examples",
                                   join(call.words, " ")));
  if (flags.files.files.empty() && flags.files.kustomize.empty())
    return usage_error("must specify one of -f and -k");
  if (flags.force_conflicts && !flags.server_side)
    return usage_error("--force-conflicts only works with --server-side");
  if (flags.prune || flags.force)
    return usage_error(flags.prune ? "--prune is not supported"
                                   : "--force is not supported with apply: delete the object first");
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(auto documents, read_documents(flags.files, call.io));
  if (documents.empty()) return usage_error("no objects passed to apply");
  Applier applier(call, *session, flags);
  int code = 0;
  for (auto& document : documents) {
    if (!flags.selectors.labels.empty() && !selected(document.object, flags.selectors.labels)) continue;
    auto done = applier.apply(std::move(document));
    if (done.ok()) continue;
    call.io.out.flush();
    call.io.err << error_text(done.error()) << "\n";
    if (done.error().is(Reason::kServiceUnavailable)) return 1;  // the rest would fail the same way
    code = 1;
  }
  return code;
}

}  // namespace mk::kubectl
