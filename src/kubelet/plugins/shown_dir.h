#pragma once

#include <string>

namespace mk::kubelet {

// Plugins expect the kubelet's directory at a well-known path, and are given paths below it. Makes `shown` a
// link to `data_dir` unless something else lies there; the path to use: `shown`, or `data_dir` where that
// cannot be ("" is not wanted).
std::string show_data_dir(const std::string& shown, const std::string& data_dir);

}  // namespace mk::kubelet
