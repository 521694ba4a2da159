#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mk/base/bytes.h"

// How servers talk: a door, so that a whole cluster runs on a simulated network. In production mutual TLS
// from the cluster's CA (a peer's id is what its certificate says, never what a frame says).
namespace mk::quorum {

using ServerId = std::uint64_t;  // never 0, never used again once its disk is gone

struct Peer {
  ServerId id = 0;
  std::string address;  // host:port; may change, the id stays
};

// Frames between two servers arrive in order or not at all; lost when the link breaks or its queue is full.
// What must arrive is sent again by whoever needs it.
class Links {
 public:
  using Received = std::function<void(ServerId from, SharedBytes frame)>;

  virtual ~Links() = default;
  virtual void set_received(Received received) = 0;
  // Whom to keep a warm connection to; replaces the former list.
  virtual void set_peers(std::vector<Peer> peers) = 0;
  virtual void send(ServerId to, SharedBytes frame) = 0;
  virtual std::size_t queued(ServerId to) const = 0;  // bytes; a slow peer is sent no more than a bound
};

}  // namespace mk::quorum
