#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "images/blobs.h"
#include "images/index.h"
#include "images/layers.h"
#include "images/manifest.h"
#include "images/registries.h"
#include "images/registry_client.h"

namespace mk::kubelet {

// Keeps two pulls from writing the same blob at once.
class BlobLocks {
 public:
  class Held {
   public:
    Held(BlobLocks& locks, std::string digest);
    ~Held();
    Held(const Held&) = delete;

   private:
    BlobLocks& locks_;
    std::string digest_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable free_;
  std::set<std::string> held_;
};

// The parts of the store that work on blocking threads. Thread-safe.
struct ImageParts {
  ImageParts(const std::string& data_dir, Registries registries_, TransferLimits limits,
             std::shared_ptr<std::atomic<bool>> stop)
      : blobs(data_dir + "/images"),
        layers(data_dir + "/layers"),
        registries(std::move(registries_)),
        transport(limits, std::move(stop)) {}

  BlobStore blobs;
  LayerStore layers;
  Registries registries;
  CurlTransport transport;
  BlobLocks locks;
};

// Unpacks what is missing of an image whose config is here. `fetch` provides the tar of one layer (its path)
// and may be called from this thread only; it is not called for layers that are there already.
using FetchLayer = std::function<Result<std::string>(std::size_t index)>;
Result<StoredImage> install_image(ImageParts& parts, const ImageConfig& config,
                                  const std::string& config_digest, const FetchLayer& fetch);

// The whole of a pull; see ImageStore::pull. Names are set, nothing is entered into the index.
Result<StoredImage> pull_image(ImageParts& parts, const Reference& reference,
                               const std::vector<RegistryAuth>& credentials);

// Every image of a tarball (OCI layout or docker-archive), with their names.
Result<std::vector<StoredImage>> import_images(ImageParts& parts, const std::string& tarball,
                                               const std::string& name);

}  // namespace mk::kubelet
