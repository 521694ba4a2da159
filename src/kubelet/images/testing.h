#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "images/digest.h"
#include "mk/base/files.h"
#include "mk/rt/clock.h"
#include "mk/rt/group.h"
#include "mk/rt/loop.h"

// What the tests of the lower half share; nothing of it is in the program.
namespace mk::kubelet::testing {

struct TempDir {
  TempDir() {
    char name[] = "/tmp/mk-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TempDir() { (void)remove_tree(path); }
  TempDir(const TempDir&) = delete;
  std::string path;
};

// The task's value; may be called again and again on one loop (a loop that has run dry stays stopped for
// run()).
template <class T>
T run(rt::Loop& loop, rt::Task<T> task) {
  std::optional<T> out;
  rt::Group group(loop.executor());
  group.spawn("test", rt::detail::store_into(std::move(task), out));
  while (!out || group.size() > 0)
    if (loop.poll() == 0) ::usleep(200);
  return std::move(*out);
}

inline void run(rt::Loop& loop, rt::Task<> task) {
  rt::Group group(loop.executor());
  group.spawn("test", std::move(task));
  while (group.size() > 0)
    if (loop.poll() == 0) ::usleep(200);
}

struct TarEntry {
  TarEntry(std::string name_, int type_, std::string text_ = "", unsigned mode_ = 0755)
      : name(std::move(name_)), type(type_), text(std::move(text_)), mode(mode_) {}
  std::string name;
  int type;          // AE_IFREG, ...; 0: a hard link
  std::string text;  // content, or target of a link
  unsigned mode;
  int uid = 0;
  std::map<std::string, std::string> xattrs;
};

enum class Packing { kPlain, kGzip, kZstd };

inline void write_tar(const std::string& path, const std::vector<TarEntry>& entries,
                      Packing packing = Packing::kPlain) {
  archive* out = archive_write_new();
  archive_write_set_format_pax(out);
  if (packing == Packing::kGzip) archive_write_add_filter_gzip(out);
  if (packing == Packing::kZstd) archive_write_add_filter_zstd(out);
  archive_write_open_filename(out, path.c_str());
  for (const auto& item : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, item.name.c_str());
    archive_entry_set_mtime(entry, 1000000000, 0);
    archive_entry_set_perm(entry, item.mode);
    archive_entry_set_uid(entry, item.uid);
    archive_entry_set_filetype(entry, item.type == 0 ? AE_IFREG : static_cast<unsigned>(item.type));
    if (item.type == 0) archive_entry_set_hardlink(entry, item.text.c_str());
    if (item.type == AE_IFLNK) archive_entry_set_symlink(entry, item.text.c_str());
    if (item.type == AE_IFREG) archive_entry_set_size(entry, static_cast<la_int64_t>(item.text.size()));
    if (item.type == AE_IFCHR) archive_entry_set_rdev(entry, 0x103);
    for (const auto& [key, value] : item.xattrs)
      archive_entry_xattr_add_entry(entry, key.c_str(), value.data(), value.size());
    archive_write_header(out, entry);
    if (item.type == AE_IFREG) archive_write_data(out, item.text.data(), item.text.size());
    archive_entry_free(entry);
  }
  archive_write_close(out);
  archive_write_free(out);
}

// An image made in memory: its config, manifest and layers as blobs.
struct TestImage {
  std::map<std::string, std::string> blobs;  // by digest
  std::string config, manifest;              // digests
  std::vector<std::string> layers;           // digests, packed

  std::string add(const std::string& bytes) {
    std::string digest = sha256_digest(bytes);
    blobs[digest] = bytes;
    return digest;
  }
};

inline TestImage make_image(const std::vector<std::vector<TarEntry>>& layers, const std::string& config_json,
                            Packing packing = Packing::kGzip) {
  const TempDir dir;
  TestImage out;
  std::string diff_ids, descriptors;
  for (const auto& layer : layers) {
    write_tar(dir.path + "/plain", layer);
    write_tar(dir.path + "/packed", layer, packing);
    const std::string packed = *read_file(dir.path + "/packed");
    out.layers.push_back(out.add(packed));
    diff_ids += (diff_ids.empty() ? "\"" : ",\"") + sha256_digest(*read_file(dir.path + "/plain")) + "\"";
    descriptors +=
        (descriptors.empty() ? "" : ",") +
        std::string("{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"") +
        out.layers.back() + "\",\"size\":" + std::to_string(packed.size()) + "}";
  }
  const std::string config = "{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":" + config_json +
                             ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" + diff_ids + "]}}";
  out.config = out.add(config);
  out.manifest = out.add("{\"schemaVersion\":2,\"config\":{\"digest\":\"" + out.config + "\",\"size\":" +
                         std::to_string(config.size()) + "},\"layers\":[" + descriptors + "]}");
  return out;
}

// The image as an OCI layout tarball under `name`.
inline void write_oci_archive(const std::string& path, const TestImage& image, const std::string& name,
                              Packing packing = Packing::kPlain) {
  std::vector<TarEntry> entries;
  entries.emplace_back("oci-layout", AE_IFREG, "{\"imageLayoutVersion\":\"1.0.0\"}");
  entries.emplace_back("index.json", AE_IFREG,
                       "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"" + image.manifest +
                           "\",\"annotations\":{\"io.containerd.image.name\":\"" + name + "\"}}]}");
  for (const auto& [digest, bytes] : image.blobs)
    entries.emplace_back("blobs/sha256/" + std::string(digest_hex(digest)), AE_IFREG, bytes);
  write_tar(path, entries, packing);
}

}  // namespace mk::kubelet::testing
