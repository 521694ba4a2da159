#include "images/index.h"

#include <sys/stat.h>

#include <algorithm>

#include "images/digest.h"
#include "images/fs.h"
#include "images/walk.h"
#include "mk/api/json.h"
#include "mk/base/files.h"
#include "mk/base/log.h"

namespace mk::kubelet {
namespace {

constexpr Log kLog("kubelet");

api::Json to_array(const std::vector<std::string>& strings) {
  api::JsonArray out;
  for (const auto& text : strings) out.emplace_back(text);
  return out;
}

std::vector<std::string> from_array(const api::Json& json, std::string_view key) {
  std::vector<std::string> out;
  for (const auto& item : api::list(json, key))
    if (item.is_string()) out.emplace_back(item.get_string());
  return out;
}

api::Json encode(const StoredImage& image) {
  const auto& info = image.info;
  api::JsonObject out;
  out["id"] = info.id;
  out["names"] = to_array(info.names);
  out["digests"] = to_array(info.digests);
  out["size"] = info.size;
  out["pinned"] = info.pinned;
  out["entrypoint"] = to_array(info.entrypoint);
  out["command"] = to_array(info.command);
  out["env"] = to_array(info.env);
  out["workingDir"] = info.working_dir;
  out["user"] = info.user;
  out["stopSignal"] = info.stop_signal;
  out["chain"] = to_array(image.chain);
  out["manifest"] = image.manifest;
  return out;
}

Result<StoredImage> decode(std::string_view text) {
  MK_ASSIGN(const api::Json json, api::parse_json(text));
  StoredImage out;
  auto& info = out.info;
  info.id = api::str(json, "id");
  info.names = from_array(json, "names");
  info.digests = from_array(json, "digests");
  info.size = api::num(json, "size");
  info.pinned = api::flag(json, "pinned");
  info.entrypoint = from_array(json, "entrypoint");
  info.command = from_array(json, "command");
  info.env = from_array(json, "env");
  info.working_dir = api::str(json, "workingDir");
  info.user = api::str(json, "user");
  info.stop_signal = api::str(json, "stopSignal");
  out.chain = from_array(json, "chain");
  out.manifest = api::str(json, "manifest");
  const bool sound = valid_digest(info.id) && std::all_of(out.chain.begin(), out.chain.end(), valid_digest);
  if (!sound) return Error(Reason::kInvalid, "no image record");
  return out;
}

bool erase_from(std::vector<std::string>& list, const std::string& what) {
  return std::erase(list, what) != 0;
}

void merge_into(std::vector<std::string>& list, const std::vector<std::string>& more) {
  for (const auto& text : more)
    if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
}

}  // namespace

std::string ImageIndex::path(const std::string& id) const {
  return dir_ + "/" + std::string(digest_hex(id)) + ".json";
}

Result<void> ImageIndex::load() {
  MK_TRY(make_dirs(dir_));
  seen_ = folder_changed();
  for (const auto& name : names_in(dir_)) {
    const std::string file = dir_ + "/" + name;
    if (!name.ends_with(".json")) continue;  // a temporary file of a writer, or of a crashed one
    auto text = read_file(file);
    auto image = text.ok() ? decode(*text) : Result<StoredImage>(std::move(text).error());
    if (!image.ok()) {
      kLog.warn("image record skipped; pull or import the image again", "path", file, "error",
                image.error().message());
      continue;
    }
    std::string id = image->info.id;
    images_.insert_or_assign(std::move(id), std::move(*image));
  }
  return ok();
}

std::int64_t ImageIndex::folder_changed() const {
  struct stat info {};
  if (::stat(dir_.c_str(), &info) != 0) return 0;
  return info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
}

void ImageIndex::refresh() {
  if (folder_changed() == seen_) return;
  images_.clear();
  if (auto loaded = load(); !loaded.ok())
    kLog.warn("cannot read the images' index", "error", loaded.error().message());
}

const StoredImage* ImageIndex::by_id(const std::string& id) const {
  const auto found = images_.find(id);
  return found == images_.end() ? nullptr : &found->second;
}

const StoredImage* ImageIndex::by_name(const std::string& name) const {
  for (const auto& [id, image] : images_) {
    const auto& names = image.info.names;
    const auto& digests = image.info.digests;
    if (id == name || std::find(names.begin(), names.end(), name) != names.end() ||
        std::find(digests.begin(), digests.end(), name) != digests.end())
      return &image;
  }
  return nullptr;
}

Result<void> ImageIndex::save(const StoredImage& image) const {
  return write_file(path(image.info.id), api::to_json(encode(image)));
}

Result<void> ImageIndex::add(StoredImage image) {
  const auto names = image.info.names;
  const std::string id = image.info.id;
  if (const auto* known = by_id(id)) {
    merge_into(image.info.names, known->info.names);
    merge_into(image.info.digests, known->info.digests);
    image.info.pinned = image.info.pinned || known->info.pinned;
  }
  MK_TRY(save(image));
  images_.insert_or_assign(id, std::move(image));
  // After the new owner is durable: a crash in between leaves a name twice, never lost.
  for (auto& [other_id, other] : images_) {
    if (other_id == id) continue;
    bool changed = false;
    for (const auto& name : names) changed |= erase_from(other.info.names, name);
    if (changed) MK_TRY(save(other));
  }
  return ok();
}

Result<void> ImageIndex::remove(const std::string& id) {
  if (images_.count(id) == 0) return ok();
  if (::unlink(path(id).c_str()) != 0 && errno != ENOENT) return sys_error("delete", path(id));
  images_.erase(id);
  return ok();
}

}  // namespace mk::kubelet
