#include <fcntl.h>
#include <sys/stat.h>

#include <map>

#include "images/install.h"
#include "images/tar_reader.h"
#include "mk/api/json.h"
#include "mk/base/files.h"
#include "mk/base/ids.h"
#include "mk/base/strings.h"

namespace mk::kubelet {
namespace {

constexpr int kLinksMax = 8;
constexpr std::size_t kJsonMax = 8 << 20;

// The files of a tarball, unpacked under numbers (names inside are never used as paths).
class Archive {
 public:
  explicit Archive(std::string folder) : folder_(std::move(folder)) {}

  Result<void> read(const std::string& tarball) {
    TarReader tar;
    MK_TRY(tar.open(tarball));
    for (;;) {
      MK_ASSIGN(archive_entry * entry, tar.next());
      if (entry == nullptr) return ok();
      const char* raw = archive_entry_pathname(entry);
      if (raw == nullptr) continue;
      const std::string name = normal(raw);
      const char* hard = archive_entry_hardlink(entry);
      if (hard != nullptr) {
        links_[name] = normal(hard);
      } else if (archive_entry_filetype(entry) == AE_IFLNK) {
        const auto slash = name.rfind('/');
        links_[name] = normal((slash == std::string::npos ? "" : name.substr(0, slash + 1)) +
                              archive_entry_symlink(entry));
      } else if (archive_entry_filetype(entry) == AE_IFREG) {
        const std::string path = folder_ + "/" + std::to_string(files_.size());
        const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!fd) return sys_error("create", path);
        MK_TRY(tar.copy_to(fd.get()));
        files_[name] = path;
      }
    }
  }

  // Where the file lies, or nullptr.
  const std::string* find(std::string name) const {
    name = normal(name);
    for (int i = 0; i < kLinksMax; ++i) {
      const auto link = links_.find(name);
      if (link == links_.end()) break;
      name = link->second;
    }
    const auto file = files_.find(name);
    return file == files_.end() ? nullptr : &file->second;
  }

  Result<std::string> content(const std::string& name) const {
    const auto* path = find(name);
    if (path == nullptr) return Error(Reason::kInvalid, "the archive lacks " + name);
    struct stat info;
    if (::stat(path->c_str(), &info) == 0 && static_cast<std::size_t>(info.st_size) > kJsonMax)
      return Error(Reason::kInvalid, name + " is too large");
    return read_file(*path);
  }

 private:
  static std::string normal(std::string_view path) {
    std::vector<std::string> parts;
    for (const auto part : split(path, '/')) {
      if (part == ".." && !parts.empty()) parts.pop_back();
      if (!part.empty() && part != "." && part != "..") parts.emplace_back(part);
    }
    return join(parts, "/");
  }

  std::string folder_;
  std::map<std::string, std::string> files_, links_;
};

std::string blob_name(const std::string& digest) {
  return "blobs/sha256/" + std::string(digest_hex(digest));
}

Result<std::string> verified(const Archive& archive, const std::string& digest) {
  MK_ASSIGN(std::string content, archive.content(blob_name(digest)));
  if (sha256_digest(content) != digest)
    return Error(Reason::kInvalid, "blob " + digest + " of the archive is damaged");
  return content;
}

// An OCI layout's image; `entry` may be an index again.
Result<StoredImage> install_oci(ImageParts& parts, const Archive& archive, const Descriptor& entry) {
  Descriptor descriptor = entry;
  MK_ASSIGN(std::string text, verified(archive, descriptor.digest));
  if (is_index(text)) {
    MK_ASSIGN(const auto entries, parse_index(text));
    MK_ASSIGN(descriptor, choose_platform(entries, host_platform()));
    MK_ASSIGN(text, verified(archive, descriptor.digest));
  }
  MK_ASSIGN(const Manifest manifest, parse_manifest(text));
  MK_ASSIGN(const std::string config_text, verified(archive, manifest.config.digest));
  MK_ASSIGN(const ImageConfig config, parse_config(config_text));
  if (config.diff_ids.size() != manifest.layers.size())
    return Error(Reason::kInvalid, "the image's manifest and config disagree about the number of layers");
  // What a layer unpacks to is checked against the config, which makes a check of the packed form needless.
  const FetchLayer fetch = [&](std::size_t i) -> Result<std::string> {
    const auto* path = archive.find(blob_name(manifest.layers[i].digest));
    if (path == nullptr)
      return Error(Reason::kInvalid, "the archive lacks layer " + manifest.layers[i].digest);
    return *path;
  };
  MK_ASSIGN(StoredImage image, install_image(parts, config, manifest.config.digest, fetch));
  image.manifest = descriptor.digest;
  return image;
}

Result<StoredImage> install_docker(ImageParts& parts, const Archive& archive, const api::Json& item) {
  MK_ASSIGN(const std::string config_text, archive.content(std::string(api::str(item, "Config"))));
  MK_ASSIGN(const ImageConfig config, parse_config(config_text));
  const auto& layers = api::list(item, "Layers");
  if (layers.size() != config.diff_ids.size())
    return Error(Reason::kInvalid,
                 "manifest.json and the image's config disagree about the number of layers");
  const FetchLayer fetch = [&](std::size_t i) -> Result<std::string> {
    const auto* path = layers[i].is_string() ? archive.find(std::string(layers[i].get_string())) : nullptr;
    if (path == nullptr) return Error(Reason::kInvalid, "the archive lacks a layer that manifest.json names");
    return *path;
  };
  return install_image(parts, config, sha256_digest(config_text), fetch);
}

Result<void> set_names(StoredImage& image, const std::vector<std::string>& names) {
  image.info.pinned = true;
  for (const auto& name : names) {
    MK_ASSIGN(const Reference reference, parse_reference(name));
    if (!reference.tagged().empty()) image.info.names.push_back(reference.tagged());
    if (!image.manifest.empty()) image.info.digests.push_back(reference.name() + "@" + image.manifest);
  }
  return ok();
}

Result<std::vector<StoredImage>> from_docker_archive(ImageParts& parts, const Archive& archive,
                                                     const std::string& name) {
  MK_ASSIGN(const std::string text, archive.content("manifest.json"));
  MK_ASSIGN(const api::Json json, api::parse_json(text));
  std::vector<StoredImage> out;
  if (!json.is_array()) return Error(Reason::kInvalid, "manifest.json is no list of images");
  for (const auto& item : json.get_array()) {
    MK_ASSIGN(StoredImage image, install_docker(parts, archive, item));
    std::vector<std::string> names;
    for (const auto& tag : api::list(item, "RepoTags"))
      if (tag.is_string()) names.emplace_back(tag.get_string());
    MK_TRY(set_names(image, name.empty() ? names : std::vector<std::string>{name}));
    out.push_back(std::move(image));
  }
  return out;
}

Result<std::vector<StoredImage>> from_oci_layout(ImageParts& parts, const Archive& archive,
                                                 const std::string& name) {
  MK_ASSIGN(const std::string text, archive.content("index.json"));
  MK_ASSIGN(const auto entries, parse_index(text));
  std::vector<StoredImage> out;
  for (const auto& entry : entries) {
    MK_ASSIGN(StoredImage image, install_oci(parts, archive, entry));
    std::vector<std::string> names;
    if (!name.empty() || !entry.name.empty()) names.push_back(name.empty() ? entry.name : name);
    MK_TRY(set_names(image, names));
    out.push_back(std::move(image));
  }
  return out;
}

Result<std::vector<StoredImage>> import_from(ImageParts& parts, const std::string& folder,
                                             const std::string& tarball, const std::string& name) {
  MK_TRY(make_dirs(folder, 0700));
  Archive archive(folder);
  MK_TRY(archive.read(tarball));
  // `docker save` writes both forms; its names are complete in manifest.json only.
  if (archive.find("manifest.json") != nullptr) return from_docker_archive(parts, archive, name);
  if (archive.find("index.json") != nullptr) return from_oci_layout(parts, archive, name);
  return Error(Reason::kInvalid, "neither an OCI layout (index.json) nor a docker archive (manifest.json)");
}

}  // namespace

Result<std::vector<StoredImage>> import_images(ImageParts& parts, const std::string& tarball,
                                               const std::string& name) {
  const std::string folder = parts.layers.dir() + "/tmp-" + random_token(8);  // swept with half-made layers
  auto result = import_from(parts, folder, tarball, name);
  auto removed = remove_tree(folder);
  if (!result.ok()) return std::move(result).error().wrap("import " + tarball);
  MK_TRY(removed);
  if (result->empty()) return Error(Reason::kInvalid, "import " + tarball + ": it holds no image");
  for (const auto& image : *result)
    if (image.info.names.empty())
      return Error(Reason::kInvalid, "import " + tarball + ": an image in it has no name; give one");
  return result;
}

}  // namespace mk::kubelet
