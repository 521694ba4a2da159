#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "context.h"
#include "eviction/settings.h"
#include "mk/rt/group.h"
#include "pods/pod_manager.h"

namespace mk::kubelet {

// When an image was on the node first, and when a pod had it last.
struct ImageAge {
  rt::WallTime first_seen, last_used;
};

// The images that may go, the one longest unused first: nobody has them, they are old enough and were not
// imported. Pure.
std::vector<ImageInfo> unused_images(const std::vector<ImageInfo>& images,
                                     const std::set<std::string>& in_use,
                                     const std::map<std::string, ImageAge>& ages, rt::WallTime now,
                                     rt::Duration age_min);

// How much must go so that `low` per cent are in use; 0 below `high`. Pure.
std::int64_t bytes_to_free(std::int64_t available, std::int64_t capacity, int high, int low);

// Deletes images that no pod needs when the disk they are on fills up.
class ImageCollector {
 public:
  ImageCollector(Context& context, PodManager& pods, const KubeletSettings& settings);

  void start(rt::Group& group);
  rt::Task<> collect();    // down to the low threshold, if the disk is above the high one
  rt::Task<> make_room();  // everything that may go

 private:
  rt::Task<> run();
  std::set<std::string> look();  // who uses what; remembers when
  rt::Task<std::int64_t> free_bytes(std::int64_t wanted);

  Context& context_;
  PodManager& pods_;
  const int high_, low_;
  const rt::Duration age_min_;
  std::map<std::string, ImageAge> ages_;  // by id
};

}  // namespace mk::kubelet
