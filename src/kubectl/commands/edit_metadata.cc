#include <fmt/format.h>

#include "commands/commands.h"
#include "commands/write.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::kubectl {

using api::Json;
using api::JsonObject;

namespace {

struct Change {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::string> remove;  // "key-"
};

// Takes the changes from the end of the words: `label pods x a=b c-`.
Change take_changes(std::vector<std::string>& words) {
  Change out;
  while (!words.empty()) {
    const std::string& word = words.back();
    const auto equals = word.find('=');
    if (equals != std::string::npos && equals > 0) {
      out.set.insert(out.set.begin(), {word.substr(0, equals), word.substr(equals + 1)});
    } else if (word.size() > 1 && word.back() == '-') {
      out.remove.insert(out.remove.begin(), word.substr(0, word.size() - 1));
    } else {
      break;
    }
    words.pop_back();
  }
  return out;
}

struct MetadataEdit {
  const char* field;  // "labels"
  const char* done;   // "labeled"
  const char* undone;
  const char* noun;  // "label"
};

Result<Json> make_patch(const MetadataEdit& edit, const Change& change, const Json& object, bool overwrite,
                        const Target& target, Io& io) {
  const Json* live = api::find(object, std::string("metadata.") + edit.field);
  JsonObject fields;
  for (const auto& [key, value] : change.set) {
    const Json* old = live ? api::member(*live, key) : nullptr;
    if (old && old->is_string() && !overwrite &&
        std::string_view(old->get_string().data(), old->get_string().size()) != value)
      return usage_error(fmt::format("'{}' already has a value ({}), and --overwrite is false", key,
                                     std::string_view(old->get_string().data(), old->get_string().size())));
    fields[key] = api::text(value);
  }
  for (const auto& key : change.remove) {
    if (live && api::member(*live, key))
      fields[key] = nullptr;
    else
      io.out << fmt::format("{} \"{}\" not found.\n", edit.noun, key);
  }
  (void)target;
  Json out;
  api::set(out, std::string("metadata.") + edit.field, std::move(fields));
  return out;
}

bool changes(const Json& patch, const MetadataEdit& edit, const Json& object) {
  for (const auto& field : api::object(patch, std::string("metadata.") + edit.field)) {
    const auto& live = api::object(object, std::string("metadata.") + edit.field);
    const Json* old = live.if_contains(field.key());
    if (field.value().is_null() ? old != nullptr : old == nullptr || *old != field.value()) return true;
  }
  return false;
}

Result<int> edit_metadata(Invocation& call, const MetadataEdit& edit) {
  FileFlags files;
  Selectors selectors;
  WriteFlags flags;
  bool all = false, all_namespaces = false, overwrite = false, list = false;
  files.bind(call.flags);
  selectors.bind(call.flags);
  flags.bind(call.flags, std::string("kubectl-") + edit.noun);
  call.flags.boolean("all", 0, all)
      .boolean("all-namespaces", 'A', all_namespaces)
      .boolean("overwrite", 0, overwrite)
      .boolean("list", 0, list);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  const Change change = take_changes(call.words);
  if (change.set.empty() && change.remove.empty() && !list)
    return usage_error(fmt::format("at least one {} update is required", edit.noun));
  MK_ASSIGN(Session * session, call.connect());
  TargetRules rules;
  rules.all_namespaces = all_namespaces;
  rules.names_required = !all && selectors.labels.empty() && selectors.fields.empty();
  MK_ASSIGN(const auto targets, choose_targets(call, *session, files, rules));
  MK_ASSIGN(const auto found, fetch(*session, targets, selectors));
  for (const auto& entry : found) {
    MK_ASSIGN(const Json patch, make_patch(edit, change, entry.object, overwrite, entry.target, call.io));
    if (!changes(patch, edit, entry.object)) {
      MK_TRY(flags.report(call.io, entry.object, std::string("not ") + edit.done));
      continue;
    }
    Json result = entry.object;
    if (!flags.client_only()) {
      MK_ASSIGN(result, patch_object(*session, entry.target, patch, kMerge, flags));
    }
    MK_TRY(flags.report(call.io, result, change.set.empty() ? edit.undone : edit.done));
  }
  return 0;
}

}  // namespace

Result<int> run_label(Invocation& call) {
  return edit_metadata(call, {"labels", "labeled", "unlabeled", "label"});
}
Result<int> run_annotate(Invocation& call) {
  return edit_metadata(call, {"annotations", "annotated", "annotated", "annotation"});
}

Result<int> run_patch(Invocation& call) {
  FileFlags files;
  WriteFlags flags;
  std::string type = "strategic", patch_text, patch_file, subresource;
  files.bind(call.flags);
  flags.bind(call.flags, "kubectl-patch");
  call.flags.text("type", 0, type)
      .text("patch", 'p', patch_text)
      .text("patch-file", 0, patch_file)
      .text("subresource", 0, subresource)
      .ignored("local", 0, false);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  if (patch_text.empty() == patch_file.empty())
    return usage_error("must specify --patch or --patch-file containing the contents of the patch");
  const char* kind = type == "strategic" ? kStrategic
                     : type == "merge"   ? kMerge
                     : type == "json"    ? kJsonPatch
                                         : nullptr;
  if (kind == nullptr)
    return usage_error(fmt::format("--type must be one of [json merge strategic], not \"{}\"", type));
  if (!patch_file.empty()) {
    MK_ASSIGN(patch_text, read_file(patch_file));
  }
  auto patch = api::parse_yaml(patch_text);
  if (!patch) return usage_error("unable to parse \"" + patch_text + "\": " + patch.error().message());
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const auto targets, choose_targets(call, *session, files, {}));
  for (const auto& target : targets) {
    if (target.name.empty()) return usage_error("resource(s) were provided, but no name was specified");
    MK_ASSIGN(const Json before, session->get(target.path(subresource)));
    MK_ASSIGN(const Json after, patch_object(*session, target, *patch, kind, flags, subresource));
    const bool same =
        api::str(before, "metadata.resourceVersion") == api::str(after, "metadata.resourceVersion") &&
        flags.dry_run == "none";
    MK_TRY(flags.report(call.io, after, same ? "patched (no change)" : "patched"));
  }
  return 0;
}

Result<int> run_scale(Invocation& call) {
  FileFlags files;
  WriteFlags flags;
  Selectors selectors;
  std::int64_t replicas = -1, current = -1;
  bool all = false;
  files.bind(call.flags);
  flags.bind(call.flags, "kubectl-scale");
  call.flags.number("replicas", 0, replicas)
      .number("current-replicas", 0, current)
      .boolean("all", 0, all)
      .text("selector", 'l', selectors.labels)
      .ignored("timeout", 0, true)
      .ignored("resource-version", 0, true);
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  if (replicas < 0)
    return usage_error("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0");
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const auto targets, choose_targets(call, *session, files, {}));
  MK_ASSIGN(const auto found, fetch(*session, targets, selectors));
  for (const auto& entry : found) {
    const auto have = api::num(entry.object, "spec.replicas", 1);
    if (current >= 0 && have != current)
      return usage_error(fmt::format("Expected replicas to be {}, was {}", current, have));
    Json patch;
    api::set(patch, "spec.replicas", replicas);
    MK_TRY(patch_object(*session, entry.target, patch, kMerge, flags, "scale"));
    MK_TRY(flags.report(call.io, entry.object, "scaled"));
  }
  return 0;
}

Result<int> run_set_image(Invocation& call) {
  FileFlags files;
  WriteFlags flags;
  files.bind(call.flags);
  flags.bind(call.flags, "kubectl-set");
  MK_TRY(call.parse());
  MK_TRY(flags.check());
  const Change change = take_changes(call.words);
  if (change.set.empty()) return usage_error("at least one image update is required");
  MK_ASSIGN(Session * session, call.connect());
  MK_ASSIGN(const auto targets, choose_targets(call, *session, files, {}));
  MK_ASSIGN(const auto found, fetch(*session, targets, {}));
  for (const auto& entry : found) {
    const std::string spec = entry.target.resource->kind == "Pod" ? "spec"
                             : entry.target.resource->kind == "CronJob"
                                 ? "spec.jobTemplate.spec.template.spec"
                                 : "spec.template.spec";
    api::JsonArray containers;
    for (const auto& [name, image] : change.set) {
      bool any = false;
      for (const auto& container : api::list(entry.object, spec + ".containers")) {
        if (name != "*" && api::str(container, "name") != name) continue;
        any = true;
        containers.push_back(
            JsonObject{{"name", api::text(api::str(container, "name"))}, {"image", api::text(image)}});
      }
      if (!any) return usage_error(fmt::format("unable to find container named \"{}\"", name));
    }
    Json patch;
    api::set(patch, spec + ".containers", std::move(containers));
    MK_ASSIGN(const Json result, patch_object(*session, entry.target, patch, kStrategic, flags));
    if (api::str(result, "metadata.resourceVersion") == api::str(entry.object, "metadata.resourceVersion") &&
        flags.dry_run == "none")
      continue;
    MK_TRY(flags.report(call.io, result, "image updated"));
  }
  return 0;
}

}  // namespace mk::kubectl
