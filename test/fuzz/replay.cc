#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "target.h"

namespace mk::fuzz {

void replay(const char* name, void (*decoder)(std::string_view)) {
  constexpr std::size_t kCuts = 8;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(MK_CORPUS) + "/" + name))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  REQUIRE_FALSE(files.empty());
  for (const auto& file : files) {
    INFO(file.string());
    std::ifstream stream(file, std::ios::binary);
    const std::string input((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    // Copies of their exact size, so that a sanitizer sees a read behind the end.
    for (std::size_t cut = 1; cut <= kCuts; ++cut) {
      const std::string_view part = std::string_view(input).substr(0, input.size() * cut / kCuts);
      const std::vector<char> copy(part.begin(), part.end());
      CHECK_NOTHROW(decoder({copy.data(), copy.size()}));
    }
  }
}

}  // namespace mk::fuzz
