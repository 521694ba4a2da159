#include "volumes/csi/folders.h"

#include "images/fs.h"
#include "images/walk.h"
#include "mk/api/json.h"
#include "mk/base/files.h"

namespace mk::kubelet {

namespace {
constexpr char kNote[] = "/vol_data.json";
std::string plugin_folder(const std::string& data_dir, const std::string& pod_uid) {
  return data_dir + "/pods/" + pod_uid + "/volumes/kubernetes.io~csi";
}
}  // namespace

CsiFolder::CsiFolder(const std::string& data_dir, const std::string& pod_uid, const std::string& volume)
    : path_(plugin_folder(data_dir, pod_uid) + "/" + volume) {}

Result<void> CsiFolder::write(const std::string& driver, const std::string& handle, bool staged) const {
  MK_TRY(make_dirs(path_, 0750));
  api::JsonObject note;
  note["driverName"] = driver;
  note["volumeHandle"] = handle;
  note["staged"] = staged;
  return replace_file(path_ + kNote, api::to_json(note));
}

std::vector<std::string> CsiFolder::of_pod(const std::string& data_dir, const std::string& pod_uid) {
  const auto folder = plugin_folder(data_dir, pod_uid);
  std::vector<std::string> out;
  for (const auto& name : names_in(folder)) out.push_back(folder + "/" + name);
  return out;
}

CsiFolder::Note CsiFolder::read(const std::string& path) {
  Note out;
  const auto text = read_file(path + kNote);
  const auto json = text.ok() ? api::parse_json(*text) : Result<api::Json>(api::Json());
  if (!json.ok()) return out;
  out.driver = api::str(*json, "driverName");
  out.handle = api::str(*json, "volumeHandle");
  out.staged = api::flag(*json, "staged");
  return out;
}

bool CsiFolder::used_elsewhere(const std::string& data_dir, const std::string& path, const Note& note) {
  for (const auto& uid : names_in(data_dir + "/pods")) {
    for (const auto& other : of_pod(data_dir, uid)) {
      if (other == path) continue;
      const auto theirs = read(other);
      if (theirs.driver == note.driver && theirs.handle == note.handle) return true;
    }
  }
  return false;
}

}  // namespace mk::kubelet
