#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "images/digest.h"
#include "images/fs.h"
#include "mk/base/result.h"

namespace mk::kubelet {

// A blob on its way into the store. What was written survives in a partial file until commit() or discard(),
// so that an interrupted download continues where it ended. One writer per digest at a time (the caller's
// duty).
class BlobWriter {
 public:
  BlobWriter(std::string partial_path, std::string final_path, std::string digest);

  Result<void> open();                         // hashes what an earlier attempt left
  std::int64_t size() const { return size_; }  // bytes written so far, also by earlier attempts
  Result<void> restart();                      // forgets them
  Result<void> write(std::string_view bytes);
  // kInvalid when the content is not what the digest promises; nothing is kept then.
  Result<void> commit();
  void discard();

 private:
  std::string partial_, final_, digest_;
  UniqueFd fd_;
  Sha256 hash_;
  std::int64_t size_ = 0;
};

// Content-addressed files: <dir>/blobs/sha256/<hex>, each verified before it appears there.
class BlobStore {
 public:
  explicit BlobStore(std::string dir) : dir_(std::move(dir)) {}

  Result<void> prepare();  // makes the folders
  bool has(std::string_view digest) const;
  std::string path(std::string_view digest) const;
  BlobWriter writer(const std::string& digest) const;
  Result<void> put(const std::string& digest, std::string_view content) const;
  Result<std::string> read(std::string_view digest) const;
  void remove(std::string_view digest) const;
  // Deletes every blob that `keep` does not claim, and partial files older than a day.
  void sweep(const std::function<bool(const std::string& digest)>& keep) const;

 private:
  std::string dir_;
};

}  // namespace mk::kubelet
