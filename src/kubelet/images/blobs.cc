#include "images/blobs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "images/walk.h"
#include "mk/base/files.h"

namespace mk::kubelet {
namespace {

constexpr std::size_t kReadSize = 256 << 10;
constexpr time_t kPartialAgeMax = 24 * 3600;

}  // namespace

BlobWriter::BlobWriter(std::string partial_path, std::string final_path, std::string digest)
    : partial_(std::move(partial_path)), final_(std::move(final_path)), digest_(std::move(digest)) {}

Result<void> BlobWriter::open() {
  fd_ = UniqueFd(::open(partial_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd_) return sys_error("create", partial_);
  std::string buffer(kReadSize, '\0');
  for (;;) {
    const ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("read", partial_);
    if (got == 0) return ok();
    hash_.update(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    size_ += got;
  }
}

Result<void> BlobWriter::restart() {
  if (::ftruncate(fd_.get(), 0) != 0 || ::lseek(fd_.get(), 0, SEEK_SET) != 0)
    return sys_error("truncate", partial_);
  hash_ = Sha256();
  size_ = 0;
  return ok();
}

Result<void> BlobWriter::write(std::string_view bytes) {
  if (!write_fully(fd_.get(), bytes)) return sys_error("write", partial_);
  hash_.update(bytes);
  size_ += static_cast<std::int64_t>(bytes.size());
  return ok();
}

Result<void> BlobWriter::commit() {
  if (const std::string got = hash_.digest(); got != digest_) {
    discard();
    return Error(Reason::kInvalid, "the content has digest " + got + ", not " + digest_ +
                                       ": the registry or a proxy in between is broken; nothing was kept");
  }
  if (::fdatasync(fd_.get()) != 0) return sys_error("sync", partial_);
  fd_.reset();
  if (::rename(partial_.c_str(), final_.c_str()) != 0) return sys_error("rename to", final_);
  return ok();
}

void BlobWriter::discard() {
  fd_.reset();
  ::unlink(partial_.c_str());
}

Result<void> BlobStore::prepare() {
  MK_TRY(make_dirs(dir_ + "/blobs/sha256"));
  return make_dirs(dir_ + "/partial");
}

std::string BlobStore::path(std::string_view digest) const {
  MK_ASSERT(valid_digest(digest));
  return dir_ + "/blobs/sha256/" + std::string(digest_hex(digest));
}

bool BlobStore::has(std::string_view digest) const {
  return file_exists(path(digest));
}

BlobWriter BlobStore::writer(const std::string& digest) const {
  return BlobWriter(dir_ + "/partial/" + std::string(digest_hex(digest)), path(digest), digest);
}

Result<void> BlobStore::put(const std::string& digest, std::string_view content) const {
  auto out = writer(digest);
  MK_TRY(out.open());
  MK_TRY(out.restart());
  MK_TRY(out.write(content));
  return out.commit();
}

Result<std::string> BlobStore::read(std::string_view digest) const {
  return read_file(path(digest));
}

void BlobStore::remove(std::string_view digest) const {
  ::unlink(path(digest).c_str());
}

void BlobStore::sweep(const std::function<bool(const std::string&)>& keep) const {
  for (const auto& name : names_in(dir_ + "/blobs/sha256"))
    if (!keep("sha256:" + name)) ::unlink((dir_ + "/blobs/sha256/" + name).c_str());
  for (const auto& name : names_in(dir_ + "/partial")) {
    const std::string path = dir_ + "/partial/" + name;
    struct stat info;
    if (::stat(path.c_str(), &info) == 0 && ::time(nullptr) - info.st_mtime > kPartialAgeMax)
      ::unlink(path.c_str());
  }
}

}  // namespace mk::kubelet
