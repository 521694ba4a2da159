#include "image_gc/image_collector.h"

#include <fmt/core.h>

#include <algorithm>

#include "eviction/pressure.h"
#include "mk/base/log.h"
#include "pods/events.h"

namespace mk::kubelet {

namespace {
constexpr Log kLog("kubelet");
constexpr auto kEvery = std::chrono::minutes(5);
constexpr std::int64_t kAll = INT64_MAX;
}  // namespace

std::vector<ImageInfo> unused_images(const std::vector<ImageInfo>& images,
                                     const std::set<std::string>& in_use,
                                     const std::map<std::string, ImageAge>& ages, rt::WallTime now,
                                     rt::Duration age_min) {
  std::vector<ImageInfo> out;
  for (const auto& image : images) {
    const auto age = ages.find(image.id);
    const bool young = age == ages.end() || now - age->second.first_seen < age_min;
    if (!image.pinned && !young && in_use.count(image.id) == 0) out.push_back(image);
  }
  std::stable_sort(out.begin(), out.end(), [&](const ImageInfo& a, const ImageInfo& b) {
    const auto &left = ages.at(a.id), &right = ages.at(b.id);
    return std::tie(left.last_used, left.first_seen) < std::tie(right.last_used, right.first_seen);
  });
  return out;
}

std::int64_t bytes_to_free(std::int64_t available, std::int64_t capacity, int high, int low) {
  if (capacity <= 0) return 0;
  const auto used = 100 - available * 100 / capacity;
  if (used < high) return 0;
  return std::max<std::int64_t>(0, capacity * (100 - low) / 100 - available);
}

ImageCollector::ImageCollector(Context& context, PodManager& pods, const KubeletSettings& settings)
    : context_(context),
      pods_(pods),
      high_(settings.image_gc_high),
      low_(settings.image_gc_low),
      age_min_(settings.image_age_min) {}

void ImageCollector::start(rt::Group& group) {
  group.spawn("image collection", run());
}

rt::Task<> ImageCollector::run() {
  while (true) {
    co_await collect();
    co_await context_.clock.sleep_for(kEvery);
  }
}

std::set<std::string> ImageCollector::look() {
  const auto now = context_.clock.now();
  std::set<std::string> in_use;
  for (const PodWorker* worker : pods_.workers()) in_use.merge(worker->images_in_use());
  std::map<std::string, ImageAge> ages;
  for (const auto& image : context_.runtime.images->list()) {
    const auto known = ages_.find(image.id);
    auto& age = ages[image.id] = known == ages_.end() ? ImageAge{now, {}} : known->second;
    if (in_use.count(image.id) != 0) age.last_used = now;
  }
  ages_ = std::move(ages);
  return in_use;
}

// Deletes until so much is gone; what shares layers with others frees less than it says.
rt::Task<std::int64_t> ImageCollector::free_bytes(std::int64_t wanted) {
  const auto in_use = look();
  const auto images =
      unused_images(context_.runtime.images->list(), in_use, ages_, context_.clock.now(), age_min_);
  std::int64_t freed = 0;
  for (const auto& image : images) {
    if (freed >= wanted) break;
    auto removed = co_await context_.runtime.images->remove(image.id);
    if (!removed.ok()) {
      kLog.warn("cannot remove an unused image", "image", image.id, "error", removed.error().message());
      continue;
    }
    kLog.info("removed an unused image", "image", image.names.empty() ? image.id : image.names.front(),
              "bytes", image.size);
    ages_.erase(image.id);
    freed += image.size;
  }
  co_return freed;
}

rt::Task<> ImageCollector::make_room() {
  (void)co_await free_bytes(kAll);
}

rt::Task<> ImageCollector::collect() {
  look();
  auto read = [dir = context_.options.data_dir] { return read_signals(dir); };
  const Observations seen = co_await context_.pool.run(std::move(read));
  const auto files = seen.find(Signal::kImageFs);
  if (files == seen.end()) co_return;
  const auto wanted = bytes_to_free(files->second.available, files->second.capacity, high_, low_);
  if (wanted == 0) co_return;
  const auto freed = co_await free_bytes(wanted);
  if (freed >= wanted) co_return;
  context_.events.node(
      "Warning", "FreeDiskSpaceFailed",
      fmt::format("Failed to garbage collect required amount of images. Attempted to free {} bytes, "
                  "but only found {} bytes eligible to free.",
                  wanted, freed));
}

}  // namespace mk::kubelet
