#include "images/store.h"

#include <fcntl.h>
#include <sys/file.h>

#include "images/fs.h"
#include "mk/base/files.h"
#include "mk/base/log.h"
#include "mk/kubelet/images.h"
#include "runtime/rootfs.h"

namespace mk::kubelet {
namespace {

constexpr Log kLog("kubelet");
constexpr std::size_t kThreadsMax = 4;

}  // namespace

// A lock on the store's lock file; the kernel frees it with the process.
struct LocalImages::Hold {
  explicit Hold(const std::string& path) : fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {}
  UniqueFd fd;
};

LocalImages::LocalImages(rt::Loop& loop, const std::string& data_dir, Registries registries,
                         TransferLimits limits)
    : stop_(std::make_shared<std::atomic<bool>>(false)),
      parts_(std::make_shared<ImageParts>(data_dir, std::move(registries), limits, stop_)),
      lock_path_(data_dir + "/images/lock"),
      index_(data_dir + "/images/index"),
      group_(loop.executor()),
      pool_(kThreadsMax) {}

LocalImages::~LocalImages() {
  *stop_ = true;
}

Result<void> LocalImages::open() {
  MK_TRY(parts_->blobs.prepare());
  MK_TRY(parts_->layers.prepare());
  return index_.load();
}

std::shared_ptr<LocalImages::Hold> LocalImages::hold_shared() const {
  auto hold = std::make_shared<Hold>(lock_path_);
  while (::flock(hold->fd.get(), LOCK_SH) != 0 && errno == EINTR) {
  }
  return hold;
}

std::shared_ptr<LocalImages::Hold> LocalImages::hold_exclusive() const {
  auto hold = std::make_shared<Hold>(lock_path_);
  return ::flock(hold->fd.get(), LOCK_EX | LOCK_NB) == 0 ? hold : nullptr;
}

const StoredImage* LocalImages::lookup(const std::string& reference) const {
  index_.refresh();
  if (const auto* image = index_.by_id(reference)) return image;
  const auto parsed = parse_reference(reference);
  if (!parsed.ok()) return nullptr;
  const auto* image =
      index_.by_name(parsed->digest.empty() ? parsed->tagged() : parsed->name() + "@" + parsed->digest);
  if (image == nullptr) return nullptr;
  for (const auto& id : image->chain)  // a damaged store is repaired by the next pull
    if (!parts_->layers.has(id)) return nullptr;
  return image;
}

std::optional<ImageInfo> LocalImages::find(const std::string& reference) const {
  const auto* image = lookup(reference);
  if (image == nullptr) return std::nullopt;
  return image->info;
}

std::vector<ImageInfo> LocalImages::list() const {
  index_.refresh();
  std::vector<ImageInfo> out;
  for (const auto& [id, image] : index_.all()) out.push_back(image.info);
  return out;
}

std::optional<std::vector<std::string>> LocalImages::layer_folders(const std::string& id) const {
  const auto* image = index_.by_id(id);
  if (image == nullptr) return std::nullopt;
  std::vector<std::string> out;
  for (auto layer = image->chain.rbegin(); layer != image->chain.rend(); ++layer)
    out.push_back(LayerStore::short_name(*layer) + "/diff");
  return out;
}

rt::Task<> LocalImages::until_swept() {
  while (sweeping_) co_await idle_.wait();
}

void LocalImages::leave() {
  --active_;
  if (active_ == 0 && !sweeping_) group_.spawn("image sweep", sweep());
}

// Deletes what no image of the index needs. Runs while nothing is being added.
rt::Task<> LocalImages::sweep() {
  if (active_ > 0 || sweeping_) co_return;
  const auto hold = hold_exclusive();
  if (!hold) co_return;  // another process adds to the store; the next sweep finds what is left
  sweeping_ = true;
  index_.refresh();
  std::set<std::string> layers, configs;
  for (const auto& [id, image] : index_.all()) {
    configs.insert(id);
    for (const auto& layer : image.chain) layers.insert(LayerStore::short_name(layer));
  }
  auto work = [parts = parts_, layers = std::move(layers), configs = std::move(configs)] {
    parts->blobs.sweep([&](const std::string& digest) { return configs.count(digest) != 0; });
    parts->layers.sweep(layers);
  };
  co_await pool_.run(std::move(work));
  sweeping_ = false;
  idle_.notify_all();
}

rt::Task<Result<ImageInfo>> LocalImages::fetch(Reference reference, std::vector<RegistryAuth> credentials) {
  auto hold = std::make_shared<std::shared_ptr<Hold>>();  // until the index knows the image
  auto work = [this, hold, parts = parts_, reference, credentials = std::move(credentials)] {
    *hold = hold_shared();
    return pull_image(*parts, reference, credentials);
  };
  auto image = co_await pool_.run(std::move(work));
  if (!image.ok()) co_return std::move(image).error();
  const std::string id = image->info.id;
  MK_CO_TRY(index_.add(std::move(*image)));
  kLog.info("image pulled", "image", reference.str(), "id", id);
  co_return index_.by_id(id)->info;
}

rt::Task<> LocalImages::run_pull(std::string key, Reference reference,
                                 std::vector<RegistryAuth> credentials) {
  auto pull = pulls_[key];
  co_await until_swept();
  std::optional<Active> active(std::in_place, *this);
  auto result = co_await fetch(std::move(reference), std::move(credentials));
  active.reset();
  pull->result.emplace(std::move(result));
  pulls_.erase(key);
  pull->changed.notify_all();
}

rt::Task<Result<ImageInfo>> LocalImages::pull(std::string reference, std::vector<RegistryAuth> credentials) {
  MK_CO_ASSIGN(const Reference parsed, parse_reference(reference));
  // Content never changes under a digest. A tag may have moved: ask the registry.
  if (!parsed.digest.empty())
    if (const auto* image = lookup(reference)) co_return image->info;
  // Only who shows the same credentials may share a pull.
  std::string key = parsed.str();
  for (const auto& auth : credentials)
    key += "\n" + auth.username + "\n" + auth.password + "\n" + auth.identity_token;
  auto& entry = pulls_[key];
  auto pull = entry;
  if (!pull) {
    pull = entry = std::make_shared<Pull>();
    group_.spawn("image pull", run_pull(key, parsed, std::move(credentials)));
  }
  while (!pull->result) co_await pull->changed.wait();
  co_return *pull->result;
}

rt::Task<Result<std::vector<ImageInfo>>> LocalImages::import(std::string path, std::string name) {
  co_await until_swept();
  const Active active(*this);
  auto hold = std::make_shared<std::shared_ptr<Hold>>();
  auto work = [this, hold, parts = parts_, path, name] {
    *hold = hold_shared();
    return import_images(*parts, path, name);
  };
  auto images = co_await pool_.run(std::move(work));
  std::vector<ImageInfo> out;
  Result<void> added;
  if (images.ok()) {
    for (auto& image : *images) {
      const std::string id = image.info.id;
      if (added = index_.add(std::move(image)); !added.ok()) break;
      out.push_back(index_.by_id(id)->info);
    }
  }
  if (!images.ok()) co_return std::move(images).error();
  if (!added.ok()) co_return std::move(added).error();
  co_return out;
}

rt::Task<Result<void>> LocalImages::remove(std::string id) {
  const auto* image = lookup(id);
  if (image == nullptr) co_return ok();
  const std::string found = image->info.id;
  if (in_use && in_use(found))
    co_return Error(Reason::kConflict, "image " + found + " is used by a container");
  MK_CO_TRY(index_.remove(found));
  co_await until_swept();
  co_await sweep();
  co_return ok();
}

rt::Task<Result<void>> LocalImages::mount(std::string id, std::string path) {
  const auto layers = layer_folders(id);
  if (!layers) co_return Error(Reason::kNotFound, "image " + id + " is not on this node");
  auto work = [folder = layers_dir(), layers = *layers, path]() -> Result<void> {
    MK_TRY(make_dirs(path));
    return mount_layers(path, folder, layers);
  };
  co_return co_await pool_.run(std::move(work));
}

Result<std::unique_ptr<ImageStore>> open_image_store(rt::Loop& loop, const NodeRuntimeOptions& options) {
  MK_ASSIGN(Registries registries, Registries::load(options.registries_yaml));
  auto images = std::make_unique<LocalImages>(loop, options.data_dir, std::move(registries));
  MK_TRY(images->open());
  return std::unique_ptr<ImageStore>(std::move(images));
}

}  // namespace mk::kubelet
