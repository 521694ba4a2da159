#pragma once

#include "cluster/targets.h"
#include "print/object_printer.h"

// What the commands that write have in common: --dry-run, -o, field managers and their messages.
namespace mk::kubectl {

struct WriteFlags {
  std::string dry_run = "none";       // none, client, server
  std::string validation = "strict";  // strict, warn, ignore (also true, false): what unknown fields are
  std::string output, field_manager;
  bool show_managed_fields = false;

  // `manager`: the field manager unless --field-manager names another.
  void bind(Flags& flags, std::string manager);
  Result<void> check() const;  // after parsing
  bool client_only() const { return dry_run == "client"; }
  std::string query() const;  // "?fieldManager=...&dryRun=All"
  std::string validated_query()
      const;  // the same for whole objects: unknown fields are refused, as --validate says

  // "pod/x created (server dry run)", or the object as -o says.
  Result<void> report(Io& io, const api::Json& object, std::string_view verb) const;
};

// POSTs and reports: what `create` and its kin do with an object they made.
Result<int> create_and_report(Invocation& call, const WriteFlags& flags, api::Json object);

// PATCHes one object.
Result<api::Json> patch_object(Session& session, const Target& target, const api::Json& patch,
                               std::string_view kind, const WriteFlags& flags,
                               const std::string& subresource = {});
inline constexpr const char* kStrategic = "application/strategic-merge-patch+json";
inline constexpr const char* kMerge = "application/merge-patch+json";
inline constexpr const char* kJsonPatch = "application/json-patch+json";

// "a=b" pairs; kInvalid names the bad one.
Result<std::vector<std::pair<std::string, std::string>>> parse_pairs(const std::vector<std::string>& words);

// What the commands that create by name share: the one NAME, an object of that name, and the words after
// "--".
Result<std::string> exact_name(const Invocation& call);
api::Json named(const char* version, const char* kind, const std::string& name);
std::vector<std::string> take_command(Invocation& call);

}  // namespace mk::kubectl
