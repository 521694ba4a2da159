#include "volumes/atomic_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <vector>

#include "mk/base/files.h"
#include "mk/base/ids.h"

namespace mk::kubelet {

namespace {

constexpr std::string_view kData = "..data";

Error failed(std::string_view what, const std::string& path) {
  return Error(Reason::kInternalError, fmt::format("{} {}: {}", what, path, std::strerror(errno)));
}

std::string read_link(const std::string& path) {
  char target[512];
  const auto size = ::readlink(path.c_str(), target, sizeof target);
  return size < 0 ? std::string() : std::string(target, static_cast<std::size_t>(size));
}

std::vector<std::string> entries_of(const std::string& dir) {
  std::vector<std::string> out;
  DIR* handle = ::opendir(dir.c_str());
  if (handle == nullptr) return out;
  while (const dirent* entry = ::readdir(handle)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") out.push_back(name);
  }
  ::closedir(handle);
  return out;
}

unsigned effective_mode(const PayloadFile& file, bool grouped) {
  return grouped ? file.mode | 0440 : file.mode;
}

void collect(const std::string& root, const std::string& below, std::set<std::string>& out) {
  for (const auto& name : entries_of(root + (below.empty() ? "" : "/" + below))) {
    const std::string path = below.empty() ? name : below + "/" + name;
    struct stat info;
    if (::lstat((root + "/" + path).c_str(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode))
      collect(root, path, out);
    else
      out.insert(path);
  }
}

bool holds(const std::string& data, const Payload& payload, bool grouped) {
  std::set<std::string> present;
  collect(data, "", present);
  if (present.size() != payload.size()) return false;
  for (const auto& [path, file] : payload) {
    struct stat info;
    const std::string full = data + "/" + path;
    if (present.count(path) == 0 || ::stat(full.c_str(), &info) != 0) return false;
    if ((info.st_mode & 07777) != effective_mode(file, grouped)) return false;
    const auto content = read_file(full);
    if (!content.ok() || *content != file.content) return false;
  }
  return true;
}

Result<void> make_parents(const std::string& root, const std::string& path, std::optional<std::int64_t> gid) {
  for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string dir = root + "/" + path.substr(0, slash);
    if (::mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) return failed("create", dir);
    if (::chmod(dir.c_str(), 0755) != 0) return failed("chmod", dir);
    if (gid && ::chown(dir.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(*gid)) != 0)
      return failed("chown", dir);
  }
  return ok();
}

Result<void> write_one(const std::string& path, const PayloadFile& file, std::optional<std::int64_t> gid) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return failed("create", path);
  std::string_view rest = file.content;
  bool good = true;
  while (good && !rest.empty()) {
    const auto put = ::write(fd, rest.data(), rest.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0)
      good = false;
    else
      rest.remove_prefix(static_cast<std::size_t>(put));
  }
  if (good && (gid || file.uid))
    good = ::fchown(fd, file.uid ? static_cast<uid_t>(*file.uid) : static_cast<uid_t>(-1),
                    gid ? static_cast<gid_t>(*gid) : static_cast<gid_t>(-1)) == 0;
  good = good && ::fchmod(fd, effective_mode(file, gid.has_value())) == 0;
  Result<void> result;
  if (!good) result = failed("write", path);
  ::close(fd);
  return result;
}

Result<void> replace_link(const std::string& target, const std::string& path) {
  const std::string temporary = path + "_tmp";
  ::unlink(temporary.c_str());
  if (::symlink(target.c_str(), temporary.c_str()) != 0) return failed("link", temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failed("rename", temporary);
  return ok();
}

std::string top(const std::string& path) {
  return path.substr(0, path.find('/'));
}

}  // namespace

Result<void> write_payload(const std::string& dir, const Payload& payload, std::optional<std::int64_t> gid,
                           const std::string& timestamp) {
  const std::string data = dir + "/" + std::string(kData);
  const std::string old = read_link(data);
  if (!old.empty() && holds(data, payload, gid.has_value())) return ok();
  const std::string fresh = fmt::format("..{}.{}", timestamp, random_token(9));
  const std::string root = dir + "/" + fresh;
  if (::mkdir(root.c_str(), 0755) != 0) return failed("create", root);
  if (::chmod(root.c_str(), 0755) != 0) return failed("chmod", root);
  for (const auto& [path, file] : payload) {
    MK_TRY(make_parents(root, path, gid));
    MK_TRY(write_one(root + "/" + path, file, gid));
  }
  MK_TRY(replace_link(fresh, data));
  std::set<std::string> names;
  for (const auto& [path, file] : payload) names.insert(top(path));
  for (const auto& name : names) {
    const std::string wanted = std::string(kData) + "/" + name;
    if (read_link(dir + "/" + name) != wanted) MK_TRY(replace_link(wanted, dir + "/" + name));
  }
  // What no longer belongs: links of removed names, and the directories of earlier or broken writes.
  for (const auto& name : entries_of(dir)) {
    if (name == kData || name == fresh || names.count(name) != 0) continue;
    if (name.compare(0, 2, "..") == 0)
      MK_TRY(remove_tree(dir + "/" + name));
    else
      ::unlink((dir + "/" + name).c_str());
  }
  return ok();
}

}  // namespace mk::kubelet
