#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <string>

#include "images/digest.h"
#include "mk/base/result.h"

namespace mk::kubelet {

// A tar behind any supported compression, with the digest of its uncompressed bytes.
class TarReader {
 public:
  TarReader();
  ~TarReader();
  TarReader(const TarReader&) = delete;

  Result<void> open(const std::string& path);
  // The next entry, or nullptr at the end. Valid until the next call.
  Result<archive_entry*> next();
  // The current entry's content, written to `fd` (sparse where the tar is). The number of bytes.
  Result<std::int64_t> copy_to(int fd);
  Result<std::string> content(std::size_t size_max);
  // Reads what follows the last entry; the digest of the whole.
  Result<std::string> finish();

 private:
  static la_ssize_t on_read(archive*, void* self, const void** buffer);
  Error failure(archive* from, const std::string& what) const;

  archive* raw_;  // decompresses
  archive* tar_;  // reads entries out of that
  std::string path_;
  Sha256 hash_;
  bool ended_ = false;
};

}  // namespace mk::kubelet
