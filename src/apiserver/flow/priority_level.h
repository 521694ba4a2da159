#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "mk/api/object.h"
#include "mk/base/result.h"
#include "mk/rt/clock.h"
#include "mk/rt/event.h"

namespace mk::apiserver {

class PriorityLevel;

// The seats of a running request; given back when this ends.
class Seats {
 public:
  Seats() = default;
  Seats(std::shared_ptr<PriorityLevel> level, int count) : level_(std::move(level)), count_(count) {}
  ~Seats();
  Seats(Seats&& other) noexcept;
  Seats& operator=(Seats&& other) noexcept;
  explicit operator bool() const { return level_ != nullptr; }

 private:
  std::shared_ptr<PriorityLevel> level_;
  int count_ = 0;
};

// One PriorityLevelConfiguration at work (KEP-1040): seats for requests that run, and queues for those that
// wait. A flow may use a hand of the queues, and queues take turns by the seats they have had (start-time
// fair queueing, Goyal et al. 1996), so that one flow, however much it asks, leaves the others their share.
class PriorityLevel : public std::enable_shared_from_this<PriorityLevel> {
 public:
  struct Config {
    Config() = default;
    explicit Config(const api::Object& object);

    std::string uid;
    bool exempt = false, queues = false;  // neither: refused when no seat is free
    double shares = 30, lendable_percent = 0, borrowing_percent = -1;  // -1: no limit
    std::size_t queue_count = 64, hand_size = 8, queue_length = 50;
  };
  // What demand for seats was since it was last asked.
  struct Demand {
    double high = 0, average = 0, deviation = 0;
  };
  struct Counts {
    std::uint64_t dispatched = 0, queue_full = 0, no_seat = 0, timed_out = 0;
    double waited = 0;  // seconds
  };

  PriorityLevel(std::string name, rt::Clock& clock);

  void configure(Config config, int nominal_seats);
  void set_seats(int current);

  // Without waiting; no seats when the request has to wait.
  Seats try_enter(int seats);
  // In the queue of its flow. kTooManyRequests: the queue is full, or `patience` is over.
  rt::Task<Result<Seats>> wait(std::uint64_t flow, int seats, rt::Duration patience);

  const std::string& name() const { return name_; }
  const Config& config() const { return config_; }
  int nominal_seats() const { return nominal_; }
  int current_seats() const { return current_; }
  int seats_in_use() const { return in_use_; }
  std::size_t running() const { return running_; }
  std::size_t waiting() const { return waiting_; }
  const Counts& counts() const { return counts_; }
  Demand take_demand();
  double smoothed_demand = 0;  // for whoever shares out the seats

 private:
  friend class Seats;
  struct Waiter {
    explicit Waiter(int seats_) : seats(seats_) {}
    const int seats;
    bool started = false;
    rt::Event ready;
  };
  struct Queue {
    std::deque<std::shared_ptr<Waiter>> waiters;
    double start = 0, finish = 0;  // virtual times of the first in it
  };
  class Place;

  bool fits(int seats) const { return in_use_ == 0 || in_use_ + seats <= current_; }
  void enter(int seats);
  void leave(int seats);
  void dispatch();
  Queue* next_queue();
  std::size_t choose_queue(std::uint64_t flow) const;
  void forget(Queue& queue, const std::shared_ptr<Waiter>& waiter);
  void demand_changed(int by);

  const std::string name_;
  rt::Clock& clock_;
  Config config_;
  int nominal_ = 1, current_ = 1, in_use_ = 0;
  std::size_t running_ = 0, waiting_ = 0;
  std::vector<std::unique_ptr<Queue>> queues_;  // never fewer than there were: some may still be emptied
  double virtual_time_ = 0;
  Counts counts_;
  // Of the seats wanted (in use or waited for): their sum and squares over time.
  int demand_ = 0, demand_high_ = 0;
  double demand_sum_ = 0, demand_squares_ = 0;
  rt::MonoTime demand_since_, demand_from_;
};

}  // namespace mk::apiserver
