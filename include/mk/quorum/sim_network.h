#pragma once

#include <memory>

#include "mk/quorum/links.h"
#include "mk/rt/random.h"
#include "mk/rt/sim_clock.h"

namespace mk::quorum {

// Links between servers of one process, for simulation: frames take time, get lost, overtake those of other
// pairs of servers (never those of their own), and stop where the network is cut, in one direction or both.
// Every choice comes from `random`, so that a seed repeats it.
class SimNetwork {
 public:
  struct Faults {
    rt::Duration shortest = std::chrono::microseconds(100), longest = std::chrono::microseconds(600);
    double drop = 0;  // probability that a frame is lost
    // Of each direction between two servers; 0: no limit. What does not fit `queue_max` is lost.
    std::uint64_t bytes_per_second = 0, queue_max = 16 << 20;
  };

  static std::unique_ptr<SimNetwork> make(rt::SimClock& clock, rt::Random& random);
  virtual ~SimNetwork() = default;

  // The wires of one life of a server, until they are destroyed; frames on the way to it are lost then.
  virtual std::unique_ptr<Links> attach(ServerId id) = 0;

  virtual void set_faults(Faults faults) = 0;
  virtual void cut(ServerId from, ServerId to) = 0;  // in this direction
  virtual void isolate(ServerId id) = 0;             // from everybody, both directions
  virtual void heal() = 0;                           // all cuts
  // Called for each frame that is sent; false loses it.
  virtual void set_filter(std::function<bool(ServerId from, ServerId to, SharedBytes frame)> filter) = 0;

  virtual std::uint64_t frames_sent() const = 0;
  virtual std::uint64_t bytes_sent() const = 0;
};

}  // namespace mk::quorum
