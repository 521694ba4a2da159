#pragma once

#include <string>

namespace mk::store {

// The directory a path's last part is in: "/" of "/a", "." of "a".
inline std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace mk::store
