#pragma once

#include <dirent.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mk::kubelet {

// The names in a folder, without "." and ".."; empty when it cannot be read.
inline std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> out;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(folder.c_str()), ::closedir);
  while (dir) {
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  return out;
}

}  // namespace mk::kubelet
