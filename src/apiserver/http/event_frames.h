#pragma once

#include <array>
#include <functional>
#include <string_view>

#include "mk/base/bytes.h"

namespace mk::apiserver {

// Watch events that were encoded a moment ago: what many watchers are sent is made once. An object is known
// by its bytes, which are kept as long as its frame is.
class EventFrames {
 public:
  // `variant`: what else makes two frames of the same object differ.
  SharedBytes get(const SharedBytes& object, std::string_view type, int variant,
                  const std::function<SharedBytes()>& make);

 private:
  static constexpr std::size_t kKept = 64;  // as many objects as change within a turn of the loop, or so

  struct Frame {
    SharedBytes object, frame;
    std::string_view type;  // of a literal
    int variant = 0;
  };
  std::array<Frame, kKept> frames_;
};

}  // namespace mk::apiserver
