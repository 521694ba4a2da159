#pragma once

#include <map>
#include <string>
#include <vector>

#include "images/manifest.h"
#include "mk/base/result.h"
#include "mk/kubelet/runtime.h"

namespace mk::kubelet {

// An image of the store: what the kubelet sees of it and what it is made of.
struct StoredImage {
  ImageInfo info;
  std::vector<std::string> chain;  // chain ids of its layers, lowest first
  std::string manifest;            // digest
};

// Which images are here and under which names: one small file per image, replaced atomically. A name belongs
// to one image; giving it to another takes it from the first. Used on the loop's thread only.
class ImageIndex {
 public:
  explicit ImageIndex(std::string dir) : dir_(std::move(dir)) {}

  Result<void> load();  // unreadable files are skipped with a warning: their image counts as absent
  // Loads again if another process has changed the folder since. Voids pointers to images.
  void refresh();
  const StoredImage* by_id(const std::string& id) const;
  // A complete tagged or digest name, or an id.
  const StoredImage* by_name(const std::string& name) const;
  const std::map<std::string, StoredImage>& all() const { return images_; }
  // Adds the image or its further names.
  Result<void> add(StoredImage image);
  Result<void> remove(const std::string& id);

 private:
  Result<void> save(const StoredImage& image) const;
  std::string path(const std::string& id) const;

  std::int64_t folder_changed() const;  // its modification time in nanoseconds

  std::string dir_;
  std::map<std::string, StoredImage> images_;  // by id
  std::int64_t seen_ = 0;                      // folder_changed() when images_ was last right
};

}  // namespace mk::kubelet
