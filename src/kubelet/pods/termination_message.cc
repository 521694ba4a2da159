#include "pods/termination_message.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::kubelet {

namespace {

constexpr std::size_t kFileMax = 4096, kLogMax = 2048, kLogLines = 80;

std::string read_part(const std::string& path, std::size_t most, bool tail) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return {};
  struct stat info;
  std::string out;
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    const auto size = static_cast<std::size_t>(info.st_size);
    out.resize(std::min(most, size));
    const auto got = ::pread(fd, out.data(), out.size(), tail ? static_cast<off_t>(size - out.size()) : 0);
    out.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  }
  ::close(fd);
  return out;
}

std::string log_tail(const std::string& path) {
  // Prefixes of about 45 bytes a line come off afterwards.
  std::string raw = read_part(path, kLogMax + kLogLines * 64, true);
  if (raw.size() == kLogMax + kLogLines * 64) raw.erase(0, raw.find('\n') + 1);
  std::string text = strip_log_prefixes(raw);
  if (text.size() > kLogMax) text.erase(0, text.size() - kLogMax);
  std::size_t lines = 0;
  for (std::size_t at = text.size(); at-- > 0;)
    if (text[at] == '\n' && at + 1 != text.size() && ++lines == kLogLines) return text.substr(at + 1);
  return text;
}

}  // namespace

std::string strip_log_prefixes(const std::string& lines) {
  std::string out;
  std::size_t start = 0;
  while (start < lines.size()) {
    auto end = lines.find('\n', start);
    if (end == std::string::npos) end = lines.size();
    const std::string_view line = std::string_view(lines).substr(start, end - start);
    start = end + 1;
    const auto first = line.find(' ');
    const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    const auto third = second == std::string_view::npos ? second : line.find(' ', second + 1);
    if (third == std::string_view::npos) continue;
    out += line.substr(third + 1);
    if (line.substr(second + 1, third - second - 1) != "P") out += '\n';
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> read_messages(
    const std::vector<TerminationSource>& sources) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& source : sources) {
    std::string message = read_part(source.file, kFileMax, false);
    if (message.empty() && !source.log.empty()) message = log_tail(source.log);
    out.emplace_back(source.id, std::move(message));
  }
  return out;
}

void remove_container_files(const std::string& log, const std::string& termination) {
  ::unlink(log.c_str());
  ::unlink(termination.c_str());
  // Rotated pieces: "<n>.log.<time>".
  glob_t found{};
  if (::glob((log + ".*").c_str(), 0, nullptr, &found) == 0)
    for (std::size_t i = 0; i < found.gl_pathc; ++i) ::unlink(found.gl_pathv[i]);
  ::globfree(&found);
}

}  // namespace mk::kubelet
