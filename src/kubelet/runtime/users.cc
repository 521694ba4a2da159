#include "runtime/users.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <algorithm>

#include "images/fs.h"
#include "mk/base/strings.h"

namespace mk::kubelet {
namespace {

constexpr std::size_t kFileMax = 1 << 20;

// The first line whose field `index` is `value`, split.
std::vector<std::string_view> find_line(std::string_view text, std::size_t index, std::string_view value) {
  for (const auto line : split(text, '\n')) {
    auto fields = split(line, ':');
    if (fields.size() > 3 || (fields.size() == 3 && index < 3))
      if (fields[index] == value) return fields;
  }
  return {};
}

Result<std::int64_t> group_number(std::string_view name, std::string_view group) {
  if (const auto number = parse_int(name)) return *number;
  const auto line = find_line(group, 0, name);
  const auto number = line.size() > 2 ? parse_int(line[2]) : std::nullopt;
  if (!number)
    return Error(Reason::kInvalid, "the image's /etc/group has no group \"" + std::string(name) + "\"");
  return *number;
}

void add_memberships(std::vector<std::int64_t>& groups, std::string_view user, std::string_view group) {
  if (user.empty()) return;
  for (const auto line : split(group, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4) continue;
    const auto members = split(fields[3], ',');
    const auto number = parse_int(fields[2]);
    if (number && std::find(members.begin(), members.end(), user) != members.end()) groups.push_back(*number);
  }
}

}  // namespace

Result<ContainerUser> resolve_user(const SecurityContext& security, std::string_view passwd,
                                   std::string_view group) {
  ContainerUser out;
  const std::string_view image = security.run_as_user_name;
  const auto colon = image.find(':');
  const std::string user =
      security.run_as_user ? std::to_string(*security.run_as_user) : std::string(image.substr(0, colon));
  std::vector<std::string_view> line;
  if (const auto number = parse_int(user)) {
    out.uid = *number;
    line = find_line(passwd, 2, user);
  } else if (!user.empty()) {
    line = find_line(passwd, 0, user);
    const auto found = line.size() > 3 ? parse_int(line[2]) : std::nullopt;
    if (!found) return Error(Reason::kInvalid, "the image's /etc/passwd has no user \"" + user + "\"");
    out.uid = *found;
  } else {
    line = find_line(passwd, 2, "0");
  }
  const std::string_view name = line.empty() ? std::string_view() : line[0];
  if (line.size() > 3) out.gid = parse_int(line[3]).value_or(0);
  if (!security.run_as_user && colon != std::string_view::npos) {
    MK_ASSIGN(out.gid, group_number(image.substr(colon + 1), group));
  }
  if (security.run_as_group) out.gid = *security.run_as_group;
  out.groups.push_back(out.gid);  // a group the process could drop must not give it more by being dropped
  add_memberships(out.groups, name, group);
  for (const auto extra : security.supplemental_groups) out.groups.push_back(extra);
  std::sort(out.groups.begin(), out.groups.end());
  out.groups.erase(std::unique(out.groups.begin(), out.groups.end()), out.groups.end());
  return out;
}

std::string read_in_root(const std::string& root, const std::string& path) {
  const UniqueFd folder(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;  // a pipe in its place must not stop us
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, folder.get(), path.c_str(), &how, sizeof how)));
  std::string out;
  char buffer[8192];
  while (fd && out.size() < kFileMax) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got <= 0) break;
    out.append(buffer, static_cast<std::size_t>(got));
  }
  return out;
}

}  // namespace mk::kubelet
