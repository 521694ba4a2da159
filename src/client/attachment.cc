#include "mk/client/attachment.h"

#include "mk/pki/certificate.h"

namespace mk::client {

std::string attachment_name(const std::string& handle, const std::string& driver, const std::string& node) {
  return "csi-" + pki::sha256_hex(handle + driver + node);
}

}  // namespace mk::client
