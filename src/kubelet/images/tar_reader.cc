#include "images/tar_reader.h"

#include <unistd.h>

#include "images/fs.h"

namespace mk::kubelet {
namespace {
constexpr std::size_t kBlock = 128 << 10;
}

TarReader::TarReader() : raw_(archive_read_new()), tar_(archive_read_new()) {
  archive_read_support_filter_gzip(raw_);
  archive_read_support_filter_zstd(raw_);
  archive_read_support_filter_bzip2(raw_);
  archive_read_support_filter_xz(raw_);
  archive_read_support_format_raw(raw_);
  archive_read_support_format_empty(raw_);
  archive_read_support_format_tar(tar_);
}

TarReader::~TarReader() {
  archive_read_free(tar_);
  archive_read_free(raw_);
}

Error TarReader::failure(archive* from, const std::string& what) const {
  const char* text = archive_error_string(from);
  return Error(Reason::kInvalid, what + " " + path_ + ": " + (text ? text : "not a tar archive"));
}

la_ssize_t TarReader::on_read(archive* tar, void* self, const void** buffer) {
  auto* reader = static_cast<TarReader*>(self);
  std::size_t size = 0;
  la_int64_t offset = 0;
  if (reader->ended_) return 0;
  const int code = archive_read_data_block(reader->raw_, buffer, &size, &offset);
  if (code == ARCHIVE_EOF) {
    reader->ended_ = true;
    return 0;
  }
  if (code != ARCHIVE_OK) {
    archive_set_error(tar, archive_errno(reader->raw_), "%s", archive_error_string(reader->raw_));
    return -1;
  }
  reader->hash_.update(std::string_view(static_cast<const char*>(*buffer), size));
  return static_cast<la_ssize_t>(size);
}

Result<void> TarReader::open(const std::string& path) {
  path_ = path;
  archive_entry* ignored = nullptr;
  if (archive_read_open_filename(raw_, path.c_str(), kBlock) != ARCHIVE_OK ||
      archive_read_next_header(raw_, &ignored) != ARCHIVE_OK)
    return failure(raw_, "open");
  if (archive_read_open(tar_, this, nullptr, on_read, nullptr) != ARCHIVE_OK) return failure(tar_, "open");
  return ok();
}

Result<archive_entry*> TarReader::next() {
  archive_entry* entry = nullptr;
  const int code = archive_read_next_header(tar_, &entry);
  if (code == ARCHIVE_EOF) return static_cast<archive_entry*>(nullptr);
  // A warning is about names or times in odd encodings; the entry is usable.
  if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return failure(tar_, "read");
  return entry;
}

Result<std::int64_t> TarReader::copy_to(int fd) {
  std::int64_t total = 0;
  for (;;) {
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int code = archive_read_data_block(tar_, &data, &size, &offset);
    if (code == ARCHIVE_EOF) return total;
    if (code != ARCHIVE_OK) return failure(tar_, "read");
    const auto* bytes = static_cast<const char*>(data);
    for (std::size_t done = 0; done < size;) {
      const ssize_t put = ::pwrite(fd, bytes + done, size - done, offset + static_cast<la_int64_t>(done));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return sys_error("unpack", path_);
      done += static_cast<std::size_t>(put);
    }
    total = std::max<std::int64_t>(total, offset + static_cast<la_int64_t>(size));
  }
}

Result<std::string> TarReader::content(std::size_t size_max) {
  std::string out;
  char buffer[16384];
  for (;;) {
    const auto got = archive_read_data(tar_, buffer, sizeof buffer);
    if (got < 0) return failure(tar_, "read");
    if (got == 0) return out;
    if (out.size() + static_cast<std::size_t>(got) > size_max)
      return Error(Reason::kInvalid,
                   "read " + path_ + ": an entry is larger than " + std::to_string(size_max) + " bytes");
    out.append(buffer, static_cast<std::size_t>(got));
  }
}

Result<std::string> TarReader::finish() {
  while (!ended_) {
    const void* buffer = nullptr;
    if (on_read(tar_, this, &buffer) < 0) return failure(raw_, "read");
  }
  return hash_.digest();
}

}  // namespace mk::kubelet
