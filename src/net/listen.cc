#include "listen.h"

#include <sys/socket.h>

#include <boost/asio/ip/v6_only.hpp>

namespace mk::net {

namespace asio = boost::asio;

Result<asio::ip::address> parse_address(const std::string& text) {
  if (text.empty() || text == "*") return asio::ip::address(asio::ip::address_v4::any());
  boost::system::error_code code;
  auto address = asio::ip::make_address(text, code);
  if (code) return Error(Reason::kInvalid, "\"" + text + "\" is no IP address");
  return address;
}

std::string endpoint_text(const std::string& address, int port) {
  const std::string host = address.empty() ? "0.0.0.0" : address;
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

Error bind_error(const std::string& address, int port, const boost::system::error_code& code,
                 const std::string& advice) {
  const std::string what = "cannot listen on " + endpoint_text(address, port) + ": ";
  if (code == asio::error::address_in_use)
    return Error(Reason::kConflict,
                 what + "address already in use; stop the other program or choose another port" + advice);
  if (code == asio::error::access_denied)
    return Error(Reason::kForbidden,
                 what + "permission denied; run as root or choose a port above 1023" + advice);
  if (code.value() == EADDRNOTAVAIL)
    return Error(Reason::kInvalid, what + "this machine does not have that address; choose one of its own");
  return Error(Reason::kInternalError, what + code.message());
}

Result<std::unique_ptr<Acceptor>> open_listener(const rt::Executor& executor, const std::string& address,
                                                int port, const std::string& advice) {
  MK_ASSIGN(const auto ip, parse_address(address));
  if (port < 0 || port > 65535)
    return Error(Reason::kInvalid, "port " + std::to_string(port) + " is not in 0..65535");
  const asio::ip::tcp::endpoint endpoint(ip, static_cast<unsigned short>(port));
  auto acceptor = std::make_unique<Acceptor>(executor);
  boost::system::error_code code;
  acceptor->open(endpoint.protocol(), code);
  if (!code) acceptor->set_option(Acceptor::reuse_address(true), code);
  if (!code && ip.is_v6()) acceptor->set_option(asio::ip::v6_only(false), code);
  if (!code) acceptor->bind(endpoint, code);
  if (!code) acceptor->listen(SOMAXCONN, code);
  if (code) return bind_error(address, port, code, advice);
  return acceptor;
}

}  // namespace mk::net
