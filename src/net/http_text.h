#pragma once

#include <string>
#include <string_view>

#include "mk/net/http.h"

// HTTP/1.1 as text: what client and server share.
namespace mk::net {

bool same_name(std::string_view a, std::string_view b);             // without case, ASCII
bool list_contains(std::string_view list, std::string_view token);  // "keep-alive, Upgrade" has "upgrade"
std::string_view status_text(int status);
void append_fields(std::string& out, const Headers& headers);  // "Name: value\r\n" each

}  // namespace mk::net
