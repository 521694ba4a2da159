#include "images/unpack.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <string_view>

#include "images/fs.h"
#include "images/tar_reader.h"
#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::kubelet {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr const char* kOpaque = "trusted.overlay.opaque";

class Unpacker {
 public:
  Unpacker(std::string target, std::vector<std::string> parents)
      : target_(std::move(target)), parents_(std::move(parents)) {}

  Result<UnpackedLayer> run(const std::string& tar_path);

 private:
  // An entry's place: its folder, open, and its name in there.
  struct Place {
    UniqueFd folder;
    std::string name;
    std::string path;  // for messages
  };

  Result<Place> locate(std::string_view path);
  Result<UniqueFd> open_folder(const std::string& path);
  Result<void> make_implied(int at, const std::string& name, const std::string& path);
  Result<void> add(archive_entry* entry);
  Result<void> make_whiteout(const Place& place, const std::string& hidden);
  Result<void> make_folder(const Place& place);
  Result<void> make_file(const Place& place);
  Result<void> make_link(const Place& place, const char* source);
  Result<void> make_special(const Place& place, archive_entry* entry);
  Result<void> set_attributes(const Place& place, archive_entry* entry);
  void set_folder_times();

  static Error invalid(std::string_view path, std::string_view why) {
    return Error(Reason::kInvalid, "layer entry \"" + std::string(path) + "\": " + std::string(why));
  }

  struct FolderTimes {
    std::string path;
    timespec times[2];
  };

  std::string target_;
  std::vector<std::string> parents_;
  UniqueFd root_;
  TarReader tar_;
  std::int64_t size_ = 0;
  std::vector<FolderTimes> folder_times_;
};

// "./a//b/" as {"a", "b"}; nothing may climb.
Result<std::vector<std::string>> parts_of(std::string_view path) {
  std::vector<std::string> out;
  if (path.find('\0') != std::string_view::npos)
    return Error(Reason::kInvalid, "NUL in a layer entry's name");
  for (const auto part : split(path, '/')) {
    if (part == "..")
      return Error(Reason::kInvalid, "layer entry \"" + std::string(path) + "\" climbs out with ..");
    if (!part.empty() && part != ".") out.emplace_back(part);
  }
  return out;
}

// A symlink met on the way is followed only within the layer, with the layer's root as "/".
Result<UniqueFd> Unpacker::open_folder(const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const std::string relative = path.empty() ? "." : path;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root_.get(), relative.c_str(), &how, sizeof how)));
  if (fd) return fd;
  if (errno == ENOTDIR || errno == ELOOP) return invalid(path, "is below something that is no folder");
  return sys_error("open in layer", path);
}

// Mode and owner as the nearest layer below has them.
Result<void> Unpacker::make_implied(int at, const std::string& name, const std::string& path) {
  if (::mkdirat(at, name.c_str(), 0755) != 0 && errno != EEXIST) return sys_error("create in layer", path);
  for (const auto& parent : parents_) {
    struct stat info;
    if (::lstat((parent + "/" + path).c_str(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode) &&
        (::fchownat(at, name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0 ||
         ::fchmodat(at, name.c_str(), info.st_mode & 07777, 0) != 0))
      return sys_error("change", path);
    break;
  }
  return ok();
}

Result<Unpacker::Place> Unpacker::locate(std::string_view path) {
  MK_ASSIGN(auto parts, parts_of(path));
  Place place;
  place.path = join(parts, "/");
  if (!parts.empty()) {
    place.name = std::move(parts.back());
    parts.pop_back();
  }
  MK_ASSIGN(place.folder, open_folder(""));
  std::string so_far;
  for (const auto& part : parts) {
    so_far += (so_far.empty() ? "" : "/") + part;
    auto next = open_folder(so_far);
    if (!next.ok() && next.error().is(Reason::kNotFound)) {
      // A dangling symlink is no folder to make: its target lies in another layer or nowhere.
      struct stat info;
      if (::fstatat(place.folder.get(), part.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0)
        return invalid(path, "is below a symbolic link that leads out of the layer");
      MK_TRY(make_implied(place.folder.get(), part, so_far));
      next = open_folder(so_far);
    }
    if (!next.ok()) return std::move(next).error();
    place.folder = std::move(*next);
  }
  return place;
}

Result<void> Unpacker::make_whiteout(const Place& place, const std::string& hidden) {
  if (hidden == ".wh..opq") {
    if (::fsetxattr(place.folder.get(), kOpaque, "y", 1, 0) != 0) return sys_error("mark opaque", place.path);
    return ok();
  }
  if (hidden.starts_with(kWhiteout)) return ok();  // aufs' own bookkeeping
  if (hidden.empty() || hidden == "." || hidden == "..") return invalid(place.path, "is no valid whiteout");
  if (::mknodat(place.folder.get(), hidden.c_str(), S_IFCHR | 0600, makedev(0, 0)) == 0) return ok();
  if (errno != EEXIST) return sys_error("make whiteout", place.path);
  // The layer also brings its own: a folder hides what is below it by being opaque, all else does so by
  // itself.
  const UniqueFd own(
      ::openat(place.folder.get(), hidden.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (own && ::fsetxattr(own.get(), kOpaque, "y", 1, 0) != 0) return sys_error("mark opaque", place.path);
  return ok();
}

Result<void> Unpacker::make_folder(const Place& place) {
  if (place.name.empty()) return ok();  // the root itself
  if (::mkdirat(place.folder.get(), place.name.c_str(), 0755) == 0) return ok();
  if (errno != EEXIST) return sys_error("create in layer", place.path);
  struct stat info;
  if (::fstatat(place.folder.get(), place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    return sys_error("stat in layer", place.path);
  if (S_ISDIR(info.st_mode)) return ok();
  const bool was_whiteout = S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0);
  if (::unlinkat(place.folder.get(), place.name.c_str(), 0) != 0 ||
      ::mkdirat(place.folder.get(), place.name.c_str(), 0755) != 0)
    return sys_error("create in layer", place.path);
  if (!was_whiteout) return ok();
  const UniqueFd own(::openat(place.folder.get(), place.name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own || ::fsetxattr(own.get(), kOpaque, "y", 1, 0) != 0) return sys_error("mark opaque", place.path);
  return ok();
}

Result<void> Unpacker::make_file(const Place& place) {
  const UniqueFd fd(::openat(place.folder.get(), place.name.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return sys_error("create in layer", place.path);
  MK_ASSIGN(const std::int64_t bytes, tar_.copy_to(fd.get()));
  struct stat info;
  if (::fstat(fd.get(), &info) == 0 && info.st_size < bytes && ::ftruncate(fd.get(), bytes) != 0)
    return sys_error("size", place.path);
  size_ += bytes;
  return ok();
}

Result<void> Unpacker::make_link(const Place& place, const char* source) {
  MK_ASSIGN(const auto from, locate(source));
  if (::linkat(from.folder.get(), from.name.c_str(), place.folder.get(), place.name.c_str(), 0) != 0) {
    if (errno == ENOENT)
      return invalid(place.path, "is a hard link to \"" + from.path + "\", which the layer lacks");
    return sys_error("link in layer", place.path);
  }
  return ok();
}

Result<void> Unpacker::make_special(const Place& place, archive_entry* entry) {
  const mode_t mode = archive_entry_filetype(entry) | 0600;
  const dev_t device = S_ISFIFO(mode) ? 0 : archive_entry_rdev(entry);
  if (::mknodat(place.folder.get(), place.name.c_str(), mode, device) != 0)
    return sys_error("mknod", place.path);
  return ok();
}

// Owner before mode (a change of owner clears setuid) and before capabilities, times last.
Result<void> Unpacker::set_attributes(const Place& place, archive_entry* entry) {
  const std::string name = place.name.empty() ? "." : place.name;
  const int at = place.folder.get();
  const bool link = archive_entry_filetype(entry) == AE_IFLNK;
  if (::fchownat(at, name.c_str(), static_cast<uid_t>(archive_entry_uid(entry)),
                 static_cast<gid_t>(archive_entry_gid(entry)), AT_SYMLINK_NOFOLLOW) != 0)
    return sys_error("chown", place.path);
  if (!link && ::fchmodat(at, name.c_str(), archive_entry_perm(entry), 0) != 0)
    return sys_error("chmod", place.path);
  const std::string through = "/proc/self/fd/" + std::to_string(at) + "/" + name;
  const char* key = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  archive_entry_xattr_reset(entry);
  while (archive_entry_xattr_next(entry, &key, &value, &size) == ARCHIVE_OK) {
    // Never trusted.overlay.*, with which a layer could redirect reads to other folders.
    const std::string_view kind = key;
    if (kind != "security.capability" && !kind.starts_with("user.")) continue;
    if (::lsetxattr(through.c_str(), key, value, size, 0) != 0 && errno != ENOTSUP && errno != EPERM)
      return sys_error("set extended attribute of", place.path);
  }
  timespec times[2] = {
      {archive_entry_atime_is_set(entry) ? archive_entry_atime(entry) : archive_entry_mtime(entry), 0},
      {archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)}};
  if (archive_entry_filetype(entry) == AE_IFDIR)
    folder_times_.push_back({place.path, {times[0], times[1]}});
  else if (::utimensat(at, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
    return sys_error("set times of", place.path);
  return ok();
}

Result<void> Unpacker::add(archive_entry* entry) {
  const char* path = archive_entry_pathname(entry);
  if (path == nullptr) return Error(Reason::kInvalid, "a layer entry has no readable name");
  MK_ASSIGN(const Place place, locate(path));
  if (place.name.starts_with(kWhiteout)) return make_whiteout(place, place.name.substr(kWhiteout.size()));
  const auto type = archive_entry_filetype(entry);
  const char* hard_link = archive_entry_hardlink(entry);
  if (place.name.empty() && type != AE_IFDIR) return invalid(path, "names the root but is no folder");
  if (type != AE_IFDIR || hard_link != nullptr) {
    // The last entry of a name wins, and is never written through an earlier one.
    if (::unlinkat(place.folder.get(), place.name.c_str(), 0) != 0 && errno == EISDIR)
      MK_TRY(remove_tree("/proc/self/fd/" + std::to_string(place.folder.get()) + "/" + place.name));
  }
  if (hard_link != nullptr) return make_link(place, hard_link);
  switch (type) {
    case AE_IFDIR:
      MK_TRY(make_folder(place));
      break;
    case AE_IFREG:
      MK_TRY(make_file(place));
      break;
    case AE_IFLNK:
      if (archive_entry_symlink(entry) == nullptr)
        return invalid(path, "is a symbolic link to nothing readable");
      if (::symlinkat(archive_entry_symlink(entry), place.folder.get(), place.name.c_str()) != 0)
        return sys_error("symlink", place.path);
      break;
    case AE_IFCHR:
    case AE_IFBLK:
    case AE_IFIFO:
      MK_TRY(make_special(place, entry));
      break;
    default:
      return ok();  // a socket means nothing in an image
  }
  return set_attributes(place, entry);
}

// After all else: creating an entry changes its folder's times.
void Unpacker::set_folder_times() {
  for (auto folder = folder_times_.rbegin(); folder != folder_times_.rend(); ++folder)
    if (auto fd = open_folder(folder->path); fd.ok()) ::futimens(fd->get(), folder->times);
}

Result<UnpackedLayer> Unpacker::run(const std::string& tar_path) {
  root_ = UniqueFd(::open(target_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_) return sys_error("open", target_);
  MK_TRY(tar_.open(tar_path));
  for (;;) {
    MK_ASSIGN(archive_entry * entry, tar_.next());
    if (entry == nullptr) break;
    MK_TRY(add(entry));
  }
  set_folder_times();
  UnpackedLayer out;
  MK_ASSIGN(out.diff_id, tar_.finish());
  out.size = size_;
  return out;
}

}  // namespace

Result<UnpackedLayer> unpack_layer(const std::string& tar_path, const std::string& target,
                                   const std::vector<std::string>& parents) {
  Unpacker unpacker(target, parents);
  return unpacker.run(tar_path);
}

}  // namespace mk::kubelet
