#include "host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <unistd.h>

#include "mk/base/files.h"
#include "mk/base/strings.h"

namespace mk::node {
namespace {

// From /proc/net/route (proc(5)): the interface whose destination and mask are zero.
std::string default_interface() {
  const auto routes = read_file("/proc/net/route");
  if (!routes.ok()) return "";
  for (const auto line : split(*routes, '\n')) {
    const auto fields = split(line, '\t');
    if (fields.size() > 7 && fields[1] == "00000000" && fields[7] == "00000000")
      return std::string(trim(fields[0]));
  }
  return "";
}

}  // namespace

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return to_lower(name);
}

std::string primary_address() {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return "127.0.0.1";
  const std::string preferred = default_interface();
  std::string found;
  for (const ifaddrs* at = all; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || at->ifa_addr->sa_family != AF_INET || (at->ifa_flags & IFF_LOOPBACK) != 0)
      continue;
    const std::string name = at->ifa_name;
    if (name.starts_with("mk")) continue;  // our own bridge
    char text[INET_ADDRSTRLEN];
    const auto* address = reinterpret_cast<const sockaddr_in*>(at->ifa_addr);
    ::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
    if (found.empty() || name == preferred) found = text;
    if (name == preferred) break;
  }
  ::freeifaddrs(all);
  return found.empty() ? "127.0.0.1" : found;
}

}  // namespace mk::node
