#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace mk::kubectl {

// What a command works on: one object, or (name "") the collection of a resource in a namespace ("" for all).
struct Target {
  const api::ResourceInfo* resource = nullptr;
  std::string ns, name;

  std::string path(const std::string& subresource = {}) const {
    return Session::path(*resource, ns, name, subresource);
  }
  // "deployment.apps/x"
  std::string label() const { return singular_name(*resource) + "/" + name; }
};

// An object of a file, a folder or standard input.
struct Document {
  api::Json object;
  std::string source;  // the file's name, for messages
};

// Flags that choose files: -f, -R.
struct FileFlags {
  std::vector<std::string> files, kustomize;
  bool recursive = false;
  void bind(Flags& flags);
};

// Reads every document (YAML or JSON) of the files, folders (*.yaml, *.yml, *.json) and "-" (standard input);
// the items of a List stand for themselves. An error names its file.
Result<std::vector<Document>> read_documents(const FileFlags& flags, Io& io);

// The server's resource for a document, and its name and namespace. `default_ns` is filled in where one is
// needed and missing; a namespace that differs from a given --namespace is an error, as in kubectl.
Result<Target> target_of(Session& session, api::Json& object);

struct TargetRules {
  bool all_namespaces = false;
  bool names_required = false;         // a bare type is an error
  const char* default_type = nullptr;  // what a word without a type means ("pods" for logs)
};

// `pods`, `pods,svc`, `pods a b`, `pod/a svc/b`, `all`.
Result<std::vector<Target>> resolve_targets(Session& session, const std::vector<std::string>& words,
                                            TargetRules rules);
// Exactly one object: "pod/x", "pod x", or "x" of the default type.
Result<Target> resolve_one(Session& session, const std::vector<std::string>& words, const char* default_type);

// Files or words, whichever was given. "You must provide one or more resources ..." when neither was.
Result<std::vector<Target>> choose_targets(Invocation& call, Session& session, const FileFlags& files,
                                           TargetRules rules);

// Every object the targets stand for: collections are listed, with the selectors.
struct Selectors {
  std::string labels, fields;
  void bind(Flags& flags);
  std::string query() const;  // "?labelSelector=..."; "" when none
};
struct Found {
  Target target;
  api::Json object;
};
Result<std::vector<Found>> fetch(Session& session, const std::vector<Target>& targets,
                                 const Selectors& selectors);

}  // namespace mk::kubectl
