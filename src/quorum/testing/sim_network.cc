#include "mk/quorum/sim_network.h"

#include <map>
#include <set>

namespace mk::quorum {
namespace {

using Pair = std::pair<ServerId, ServerId>;

struct Endpoint {
  Links::Received received;
};

struct Wire {
  rt::MonoTime free;  // when the last frame has passed
  std::uint64_t queued = 0;
};

struct Net {
  Net(rt::SimClock& clock_, rt::Random& random_) : clock(clock_), random(random_) {}

  bool loses(ServerId from, ServerId to, const SharedBytes& frame) {
    if (cuts.count({from, to}) > 0) return true;
    if (filter && !filter(from, to, frame)) return true;
    return faults.drop > 0 && random.unit() < faults.drop;
  }

  rt::SimClock& clock;
  rt::Random& random;
  SimNetwork::Faults faults;
  std::map<ServerId, std::weak_ptr<Endpoint>> endpoints;
  std::map<Pair, Wire> wires;
  std::set<Pair> cuts;
  std::set<ServerId> known;
  std::function<bool(ServerId, ServerId, SharedBytes)> filter;
  std::uint64_t frames = 0, bytes = 0;
};

void transmit(const std::shared_ptr<Net>& net, ServerId from, ServerId to, SharedBytes frame) {
  ++net->frames;
  net->bytes += frame.size();
  const auto& faults = net->faults;
  Wire& wire = net->wires[{from, to}];
  if (net->loses(from, to, frame) || wire.queued + frame.size() > faults.queue_max) return;
  const auto span = static_cast<std::uint64_t>((faults.longest - faults.shortest).count()) + 1;
  rt::Duration delay = faults.shortest + rt::Duration(static_cast<std::int64_t>(net->random.below(span)));
  rt::MonoTime arrives = net->clock.mono() + delay;
  if (faults.bytes_per_second > 0) {
    const auto nanoseconds = frame.size() * 1'000'000'000 / faults.bytes_per_second;
    arrives =
        std::max(wire.free, net->clock.mono()) + rt::Duration(static_cast<std::int64_t>(nanoseconds)) + delay;
  }
  wire.free = arrives = std::max(arrives, wire.free);
  wire.queued += frame.size();
  const std::weak_ptr<Endpoint> weak = net->endpoints[to];
  net->clock.at(arrives, [net, weak, from, to, frame = std::move(frame)] {
    net->wires[{from, to}].queued -= frame.size();
    const auto endpoint = weak.lock();
    if (!endpoint || !endpoint->received || net->cuts.count({from, to}) > 0) return;
    const auto received = endpoint->received;
    received(from, frame);
  });
}

class SimLinks : public Links {
 public:
  SimLinks(std::shared_ptr<Net> net, ServerId id)
      : net_(std::move(net)), id_(id), endpoint_(std::make_shared<Endpoint>()) {
    net_->endpoints[id] = endpoint_;
    net_->known.insert(id);
  }

  void set_received(Received received) override { endpoint_->received = std::move(received); }
  void set_peers(std::vector<Peer>) override {}  // everybody reaches everybody
  void send(ServerId to, SharedBytes frame) override { transmit(net_, id_, to, std::move(frame)); }
  std::size_t queued(ServerId to) const override { return net_->wires[{id_, to}].queued; }

 private:
  const std::shared_ptr<Net> net_;
  const ServerId id_;
  const std::shared_ptr<Endpoint> endpoint_;
};

class Network : public SimNetwork {
 public:
  Network(rt::SimClock& clock, rt::Random& random) : net_(std::make_shared<Net>(clock, random)) {}

  std::unique_ptr<Links> attach(ServerId id) override { return std::make_unique<SimLinks>(net_, id); }
  void set_faults(Faults faults) override { net_->faults = faults; }
  void cut(ServerId from, ServerId to) override { net_->cuts.insert({from, to}); }
  void isolate(ServerId id) override {
    for (const ServerId other : net_->known) {
      cut(id, other);
      cut(other, id);
    }
  }
  void heal() override { net_->cuts.clear(); }
  void set_filter(std::function<bool(ServerId, ServerId, SharedBytes)> filter) override {
    net_->filter = std::move(filter);
  }
  std::uint64_t frames_sent() const override { return net_->frames; }
  std::uint64_t bytes_sent() const override { return net_->bytes; }

 private:
  const std::shared_ptr<Net> net_;
};

}  // namespace

std::unique_ptr<SimNetwork> SimNetwork::make(rt::SimClock& clock, rt::Random& random) {
  return std::make_unique<Network>(clock, random);
}

}  // namespace mk::quorum
