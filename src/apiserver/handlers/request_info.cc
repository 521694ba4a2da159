#include "handlers/request_info.h"

#include <vector>

#include "mk/base/strings.h"

namespace mk::apiserver {
namespace {

std::string verb_of(std::string_view method, bool item, bool watch) {
  if (method == "GET" || method == "HEAD") {
    if (item) return watch ? "watch" : "get";
    return watch ? "watch" : "list";
  }
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return item ? "delete" : "deletecollection";
  return to_lower(method);
}

// Subresources through which a stream or a proxied request runs.
bool connects(std::string_view resource, std::string_view subresource) {
  if (subresource == "proxy") return true;
  return resource == "pods" &&
         (subresource == "exec" || subresource == "attach" || subresource == "portforward");
}

std::string join_from(const std::vector<std::string_view>& parts, std::size_t first) {
  std::string out;
  for (std::size_t i = first; i < parts.size(); ++i) {
    if (i > first) out.push_back('/');
    out.append(parts[i]);
  }
  return out;
}

// What stands behind "/api/v1" or "/apis/<group>/<version>".
void parse_resource(RequestInfo& info, const std::vector<std::string_view>& parts, std::size_t at) {
  const auto part = [&](std::size_t index) {
    return index < parts.size() ? std::string(parts[index]) : std::string();
  };
  if (part(at) == "namespaces" && parts.size() > at + 2 && !parts[at + 2].empty() &&
      parts[at + 2] != "status" && parts[at + 2] != "finalize") {
    info.ns = part(at + 1);
    at += 2;
  }
  info.resource = part(at);
  info.name = part(at + 1);
  info.subresource = part(at + 2);
  info.rest = join_from(parts, at + 3);
  // A namespace is its own namespace for authorization.
  if (info.group.empty() && info.resource == "namespaces" && !info.name.empty()) info.ns = info.name;
}

}  // namespace

RequestInfo parse_request(std::string_view method, std::string_view path, bool watch) {
  RequestInfo info;
  info.path = path;
  info.verb = to_lower(method);
  std::vector<std::string_view> parts = split(path.substr(path.empty() ? 0 : 1), '/');
  std::size_t at = 0;
  if (parts.size() > 2 && parts[0] == "api") {
    info.version = parts[1];
    at = 2;
  } else if (parts.size() > 3 && parts[0] == "apis") {
    info.group = parts[1];
    info.version = parts[2];
    at = 3;
  } else {
    return info;
  }
  if (parts[at].empty()) return info;
  // The deprecated /watch/ prefix says the same as ?watch=true.
  if (parts[at] == "watch" && parts.size() > at + 1) {
    watch = true;
    ++at;
  }
  info.resource_request = true;
  parse_resource(info, parts, at);
  info.verb = verb_of(method, !info.name.empty(), watch);
  if (connects(info.resource, info.subresource))
    info.verb = method == "GET" || method == "HEAD" ? "get" : info.verb;
  return info;
}

}  // namespace mk::apiserver
