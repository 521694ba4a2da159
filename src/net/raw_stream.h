#pragma once

#include <memory>

#include "mk/net/server.h"
#include "stream.h"

namespace mk::net {

// The bytes of a connection, whoever speaks at the other end. `stream` may share ownership of what is around
// it.
std::unique_ptr<RawStream> make_raw_stream(std::shared_ptr<Stream> stream);

}  // namespace mk::net
