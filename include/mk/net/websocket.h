#pragma once

#include <string>

#include "mk/base/result.h"
#include "mk/rt/task.h"

namespace mk::net {

// RFC 6455, either side. One reader task and one writer task at a time.
class WebSocket {
 public:
  struct Message {
    Message(bool binary_, std::string data_) : binary(binary_), data(std::move(data_)) {}
    bool binary;
    std::string data;
  };

  virtual ~WebSocket() = default;  // closes without the handshake
  virtual const std::string& subprotocol() const = 0;
  // kGone once the peer has closed properly; messages are at most 16 MiB.
  virtual rt::Task<Result<Message>> read() = 0;
  virtual rt::Task<Result<void>> write(Message message) = 0;
  // Sends a close frame (1000 normal, 1011 error) and waits shortly for the peer's.
  virtual rt::Task<> close(int code, std::string reason) = 0;
};

}  // namespace mk::net
