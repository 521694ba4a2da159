#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "images/install.h"
#include "mk/base/log.h"

namespace mk::kubelet {
namespace {

constexpr Log kLog("kubelet");
constexpr std::size_t kParallelMax = 3;
constexpr std::int64_t kConfigMax = 8 << 20;

// Downloads layers on a few threads, in order; wait(i) returns when the i-th is here.
class LayerDownloads {
 public:
  LayerDownloads(ImageParts& parts, RegistryClient& client, std::vector<Descriptor> wanted)
      : parts_(parts), client_(client), wanted_(std::move(wanted)), done_(wanted_.size()) {
    for (auto& promise : done_) waiting_.push_back(promise.get_future());
    const auto threads = std::min(kParallelMax, wanted_.size());
    for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~LayerDownloads() {
    next_ = wanted_.size();  // those not begun stay away
    for (auto& thread : threads_) thread.join();
  }

  // Once per layer.
  Result<void> wait(const std::string& digest) {
    for (std::size_t i = 0; i < wanted_.size(); ++i)
      if (wanted_[i].digest == digest && waiting_[i].valid()) return waiting_[i].get();
    return ok();
  }

 private:
  void work() {
    for (;;) {
      const std::size_t i = next_.fetch_add(1);
      if (i >= wanted_.size()) return;
      const BlobLocks::Held held(parts_.locks, wanted_[i].digest);
      done_[i].set_value(client_.blob(wanted_[i], parts_.blobs));
    }
  }

  ImageParts& parts_;
  RegistryClient& client_;
  std::vector<Descriptor> wanted_;
  std::vector<std::promise<Result<void>>> done_;
  std::vector<std::future<Result<void>>> waiting_;
  std::atomic<std::size_t> next_ = 0;
  std::vector<std::thread> threads_;
};

Result<std::string> fetch_config(ImageParts& parts, RegistryClient& client, const Descriptor& config) {
  if (config.size > kConfigMax) return Error(Reason::kInvalid, "the image's config is larger than 8 MiB");
  const BlobLocks::Held held(parts.locks, config.digest);
  MK_TRY(client.blob(config, parts.blobs));
  return parts.blobs.read(config.digest);
}

Result<StoredImage> fetch_image(ImageParts& parts, RegistryClient& client, const Reference& reference) {
  MK_ASSIGN(FetchedManifest fetched, client.manifest(reference.version()));
  const std::string named_digest = fetched.digest;  // of the index, if it is one: what people write after '@'
  if (is_index(fetched.body)) {
    MK_ASSIGN(const auto entries, parse_index(fetched.body));
    MK_ASSIGN(const Descriptor chosen, choose_platform(entries, host_platform()));
    MK_ASSIGN(fetched, client.manifest(chosen.digest));
  }
  MK_ASSIGN(const Manifest manifest, parse_manifest(fetched.body));
  MK_ASSIGN(const std::string config_text, fetch_config(parts, client, manifest.config));
  MK_ASSIGN(const ImageConfig config, parse_config(config_text));
  if (config.diff_ids.size() != manifest.layers.size())
    return Error(Reason::kInvalid, "the image's manifest and config disagree about the number of layers");
  const auto chain = chain_ids(config.diff_ids);
  std::vector<Descriptor> missing;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const auto same = [&](const Descriptor& other) { return other.digest == manifest.layers[i].digest; };
    if (!parts.layers.has(chain[i]) && std::none_of(missing.begin(), missing.end(), same))
      missing.push_back(manifest.layers[i]);
  }
  LayerDownloads downloads(parts, client, std::move(missing));
  const FetchLayer fetch = [&](std::size_t i) -> Result<std::string> {
    MK_TRY(downloads.wait(manifest.layers[i].digest));
    return parts.blobs.path(manifest.layers[i].digest);
  };
  MK_ASSIGN(StoredImage image, install_image(parts, config, manifest.config.digest, fetch));
  image.manifest = fetched.digest;
  if (reference.digest.empty()) image.info.names.push_back(reference.tagged());
  image.info.digests.push_back(reference.name() + "@" + named_digest);
  return image;
}

Result<StoredImage> pull_from(ImageParts& parts, const Endpoint& endpoint, const Reference& reference,
                              const std::vector<RegistryAuth>& credentials) {
  std::vector<std::optional<RegistryAuth>> attempts;
  // A pod's credentials are for the registry its image names, not for whatever mirror stands in front.
  if (!endpoint.mirror) attempts.assign(credentials.begin(), credentials.end());
  attempts.insert(attempts.end(), endpoint.auth.begin(), endpoint.auth.end());
  attempts.push_back(std::nullopt);
  std::optional<Error> refused;
  for (const auto& auth : attempts) {
    RegistryClient client(parts.transport, endpoint, auth, reference.registry);
    auto image = fetch_image(parts, client, reference);
    if (image.ok() || !image.error().is(Reason::kForbidden)) return image;
    if (!refused) refused = std::move(image).error();
  }
  return std::move(*refused);
}

}  // namespace

BlobLocks::Held::Held(BlobLocks& locks, std::string digest) : locks_(locks), digest_(std::move(digest)) {
  std::unique_lock lock(locks_.mutex_);
  locks_.free_.wait(lock, [&] { return locks_.held_.insert(digest_).second; });
}

BlobLocks::Held::~Held() {
  const std::lock_guard lock(locks_.mutex_);
  locks_.held_.erase(digest_);
  locks_.free_.notify_all();
}

Result<StoredImage> install_image(ImageParts& parts, const ImageConfig& config,
                                  const std::string& config_digest, const FetchLayer& fetch) {
  const auto chain = chain_ids(config.diff_ids);
  StoredImage out;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (!parts.layers.has(chain[i])) {
      MK_ASSIGN(const std::string tar, fetch(i));
      const std::vector<std::string> below(chain.begin(), chain.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      MK_TRY(parts.layers.unpack(below, config.diff_ids[i], tar));
    }
    out.info.size += parts.layers.size(chain[i]);
  }
  out.info.id = config_digest;
  out.info.entrypoint = config.entrypoint;
  out.info.command = config.command;
  out.info.env = config.env;
  out.info.working_dir = config.working_dir;
  out.info.user = config.user;
  out.info.stop_signal = config.stop_signal;
  out.chain = chain;
  return out;
}

Result<StoredImage> pull_image(ImageParts& parts, const Reference& reference,
                               const std::vector<RegistryAuth>& credentials) {
  const auto endpoints = parts.registries.endpoints(reference);
  Error last(Reason::kNotFound, "no registry to ask");
  // A mirror's own reason is told too: it is what the writer of registries.yaml has to mend.
  std::string mirrors;
  for (const auto& endpoint : endpoints) {
    auto image = pull_from(parts, endpoint, reference, credentials);
    if (image.ok()) return image;
    last = std::move(image).error();
    if (&endpoint == &endpoints.back()) break;
    kLog.warn("mirror failed, asking the next", "image", reference.str(), "mirror", endpoint.host, "error",
              last.message());
    mirrors += "mirror " + last.message() + "; ";
  }
  if (!mirrors.empty()) last = Error(last.reason(), mirrors + last.message());
  return std::move(last).wrap("failed to pull image \"" + reference.str() + "\"");
}

}  // namespace mk::kubelet
