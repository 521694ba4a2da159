#pragma once

#include <string>
#include <utility>
#include <vector>

namespace mk::kubelet {

// Where the last words of a container that has ended are.
struct TerminationSource {
  std::string id, file;
  std::string log;  // fallback, "" for none
};

// Container id to message: 4096 bytes of the file at most, else the last 80 lines or 2048 bytes of the log.
// Blocking.
std::vector<std::pair<std::string, std::string>> read_messages(const std::vector<TerminationSource>& sources);
void remove_container_files(const std::string& log, const std::string& termination);

// The text of CRI log lines ("<time> <stream> <F|P> <text>").
std::string strip_log_prefixes(const std::string& lines);

}  // namespace mk::kubelet
