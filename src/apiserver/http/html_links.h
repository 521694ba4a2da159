#pragma once

#include <string>
#include <string_view>

namespace mk::apiserver {

// A link of a proxied page or redirect: "/a" becomes prefix + "/a"; what names a host, is relative, or is
// below the prefix already stays.
std::string moved_link(std::string_view link, std::string_view prefix);

// An HTML page with the links in its tags moved, and nothing else changed.
std::string move_links(std::string_view page, std::string_view prefix);

}  // namespace mk::apiserver
