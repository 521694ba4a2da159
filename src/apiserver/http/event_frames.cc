#include "http/event_frames.h"

#include <cstdint>

namespace mk::apiserver {

SharedBytes EventFrames::get(const SharedBytes& object, std::string_view type, int variant,
                             const std::function<SharedBytes()>& make) {
  const char* const bytes = object.view().data();
  const auto spread = (reinterpret_cast<std::uintptr_t>(bytes) >> 4) * 0x9e3779b97f4a7c15;
  Frame& frame = frames_[spread >> 58];
  static_assert(kKept == 64, "the six highest bits choose");
  if (bytes != nullptr && frame.object.view().data() == bytes && frame.type == type &&
      frame.variant == variant)
    return frame.frame;
  frame = Frame{object, make(), type, variant};
  return frame.frame;
}

}  // namespace mk::apiserver
