#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <istream>
#include <iterator>

#include "cluster/targets.h"
#include "mk/base/files.h"

namespace mk::kubectl {

using api::Json;

namespace {

bool is_folder(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool is_manifest(std::string_view name) {
  for (std::string_view suffix : {".yaml", ".yml", ".json"}) {
    if (name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix) return true;
  }
  return false;
}

void list_manifests(const std::string& folder, bool recursive, std::vector<std::string>& out) {
  std::vector<std::string> names;
  if (DIR* dir = ::opendir(folder.c_str())) {
    while (const dirent* entry = ::readdir(dir)) names.emplace_back(entry->d_name);
    ::closedir(dir);
  }
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    if (name == "." || name == "..") continue;
    const std::string path = folder + "/" + name;
    if (is_folder(path)) {
      if (recursive) list_manifests(path, true, out);
    } else if (is_manifest(name)) {
      out.push_back(path);
    }
  }
}

// The items of a List (v1.List or any PodList ...) stand for themselves.
void add_object(Json object, const std::string& source, std::vector<Document>& out) {
  const auto kind = api::str(object, "kind");
  const bool is_list =
      kind.size() > 4 && kind.substr(kind.size() - 4) == "List" && object.as_object().contains("items");
  if (!is_list && kind != "List") {
    out.push_back(Document{std::move(object), source});
    return;
  }
  for (const auto& item : api::list(object, "items")) {
    if (item.is_object()) add_object(item, source, out);
  }
}

Result<void> add_text(const std::string& text, const std::string& source, std::vector<Document>& out) {
  auto documents = api::parse_yaml_documents(text);
  if (!documents)
    return Error(Reason::kBadRequest,
                 fmt::format("error parsing {}: {}", source, documents.error().message()));
  for (auto& document : *documents) {
    if (document.is_null() || (document.is_object() && document.as_object().empty())) continue;
    if (!document.is_object() || api::str(document, "kind").empty())
      return Error(Reason::kBadRequest,
                   fmt::format("error validating \"{}\": Object 'Kind' is missing in '{}'", source,
                               api::to_json(document)));
    add_object(std::move(document), source, out);
  }
  return ok();
}

Result<void> add_path(const std::string& path, bool recursive, Io& io, std::vector<Document>& out) {
  if (path == "-") {
    const std::string text(std::istreambuf_iterator<char>(io.in), {});
    return add_text(text, "STDIN", out);
  }
  if (path.substr(0, 7) == "http://" || path.substr(0, 8) == "https://")
    return usage_error("reading manifests from a URL is not supported: fetch the file first");
  std::vector<std::string> files{path};
  if (is_folder(path)) {
    files.clear();
    list_manifests(path, recursive, files);
    if (files.empty())
      return usage_error(
          fmt::format("error reading [{}]: recognized file extensions are [.json .yaml .yml]", path));
  }
  for (const auto& file : files) {
    auto text = read_file(file);
    if (!text.ok() && text.error().is(Reason::kNotFound))
      return usage_error(fmt::format("the path \"{}\" does not exist", file));
    if (!text.ok()) return std::move(text).error();
    MK_TRY(add_text(*text, file, out));
  }
  return ok();
}

}  // namespace

void FileFlags::bind(Flags& flags) {
  flags.list("filename", 'f', files).list("kustomize", 'k', kustomize).boolean("recursive", 'R', recursive);
}

Result<std::vector<Document>> read_documents(const FileFlags& flags, Io& io) {
  if (!flags.kustomize.empty()) return usage_error("--kustomize is not supported");
  std::vector<Document> out;
  for (const auto& path : flags.files) MK_TRY(add_path(path, flags.recursive, io, out));
  return out;
}

Result<Target> target_of(Session& session, Json& object) {
  MK_ASSIGN(const Discovery* discovery, session.discovery());
  const api::Gvk kind = api::parse_gvk(api::str(object, "apiVersion"), api::str(object, "kind"));
  const std::string name(api::str(object, "metadata.name"));
  Target out;
  out.resource = discovery->find(kind);
  if (out.resource == nullptr)
    return usage_error(
        fmt::format("resource mapping not found for name: \"{}\" namespace: \"{}\": no matches for kind "
                    "\"{}\" in version \"{}\"\nensure CRDs are installed first",
                    name, api::str(object, "metadata.namespace"), kind.kind, kind.api_version()));
  out.name = name;
  if (!out.resource->namespaced) return out;
  out.ns = api::str(object, "metadata.namespace");
  if (out.ns.empty()) {
    out.ns = session.ns();
    api::set(object, "metadata.namespace", api::text(out.ns));
  } else if (session.ns_given() && out.ns != session.ns()) {
    return usage_error(
        fmt::format("the namespace from the provided object \"{}\" does not match the namespace \"{}\". You "
                    "must pass '--namespace={}' to perform this operation.",
                    out.ns, session.ns(), out.ns));
  }
  return out;
}

}  // namespace mk::kubectl
