#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "mk/net/client.h"
#include "mk/quorum/peer_links.h"
#include "mk/rt/event.h"

namespace mk::quorum {

constexpr const char* kPeerProtocol = "mk-peer/1";
constexpr const char* kPeerPath = "/mk-peer/v1";
constexpr const char* kClusterHeader = "Mk-Cluster";
constexpr const char* kToHeader = "Mk-Peer-To";
constexpr const char* kAddressHeader = "Mk-Peer-Address";  // of who dials

// On the wire: the length in 4 bytes, little endian, then the frame. A length of 0 is only a sign of life.
constexpr std::size_t kFrameMax = 32 << 20;

// Cuts a stream of bytes into frames.
class FrameReader {
 public:
  void feed(std::string_view bytes) { buffer_.append(bytes); }
  // The next whole frame, signs of life left out; nullopt: more bytes are needed. kInvalid: no frame is that
  // long.
  Result<std::optional<SharedBytes>> next();

 private:
  std::string buffer_;
  std::size_t used_ = 0;
};

// Our half of the wire to one peer: dials, and dials again, and sends what is queued.
class Wire {
 public:
  Wire(rt::Loop& loop, rt::Clock& clock, rt::Random& random, const PeerIdentity& identity, Peer peer)
      : loop_(loop), clock_(clock), random_(random), identity_(identity), peer_(std::move(peer)) {}

  const Peer& peer() const { return peer_; }
  void send(SharedBytes frame);
  std::size_t queued() const { return queued_; }
  bool connected() const { return connected_; }
  rt::Task<> run();  // until cancelled

 private:
  rt::Task<Result<std::unique_ptr<net::RawStream>>> dial();
  rt::Task<> serve(net::RawStream& stream);
  rt::Task<> until_silent(net::RawStream& stream);
  rt::Task<> pump(net::RawStream& stream);
  rt::Task<> watch(net::RawStream& stream);
  rt::Task<> expect_life();
  std::string take_batch();
  void drop_oldest(std::size_t keep);

  rt::Loop& loop_;
  rt::Clock& clock_;
  rt::Random& random_;
  const PeerIdentity& identity_;
  const Peer peer_;
  std::deque<SharedBytes> queue_;
  std::size_t queued_ = 0;
  bool connected_ = false;
  rt::MonoTime heard_;  // of the peer, on this connection
  rt::Event more_;
};

}  // namespace mk::quorum
