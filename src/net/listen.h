#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <memory>
#include <string>

#include "mk/base/result.h"
#include "mk/rt/task.h"

namespace mk::net {

using Acceptor = boost::asio::ip::tcp::acceptor;

Result<boost::asio::ip::address> parse_address(const std::string& text);  // "" and "*" mean every address
std::string endpoint_text(const std::string& address, int port);          // IPv6 in brackets

// Bound and listening. kConflict when the port is taken; `advice` then says what to do about it.
Result<std::unique_ptr<Acceptor>> open_listener(const rt::Executor& executor, const std::string& address,
                                                int port, const std::string& advice);
Error bind_error(const std::string& address, int port, const boost::system::error_code& code,
                 const std::string& advice);

}  // namespace mk::net
