#pragma once

#include <memory>
#include <string>

#include "mk/pki/certificate.h"
#include "mk/quorum/links.h"
#include "mk/rt/clock.h"
#include "mk/rt/loop.h"
#include "mk/rt/random.h"

// The wires between servers: HTTPS with certificates on both sides, then `Upgrade: mk-peer/1` and frames.
// Each server dials every other; what it has to say goes over the connection that it dialed, so no two dials
// compete.
namespace mk::quorum {

struct PeerIdentity {
  ServerId id = 0;
  std::string cluster;       // servers of another cluster are refused
  std::string address;       // how the others reach us; told to those who may not know us yet
  pki::KeyPair certificate;  // for peer_name(id), of the CA below, as server and as client
  std::string ca_pem;        // signs servers and nobody else
};

// What a peer's certificate says, as common name and as DNS name: who holds it is that server.
std::string peer_name(ServerId id);
// The request of such a certificate; the caller gives its times.
pki::CertificateRequest peer_certificate(ServerId id);

class PeerLinks : public Links {
 public:
  virtual int port() const = 0;  // in use (asked for 0: the one the kernel chose)
  // A peer hears of us within the last seconds; for status and health.
  virtual bool connected(ServerId id) const = 0;
  virtual rt::Task<> stop() = 0;
};

// Listens at once. kConflict when the port is taken.
Result<std::unique_ptr<PeerLinks>> listen_peers(rt::Loop& loop, rt::Clock& clock, rt::Random& random,
                                                const std::string& address, int port, PeerIdentity identity);

}  // namespace mk::quorum
