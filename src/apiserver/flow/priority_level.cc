#include "flow/priority_level.h"

#include <algorithm>
#include <cmath>

namespace mk::apiserver {
namespace {

double seconds(rt::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

Error too_many() {
  Error error(Reason::kTooManyRequests, "Too many requests, please try again later.");
  error.retry_after_seconds = 1;
  return error;
}

}  // namespace

Seats::~Seats() {
  if (level_) level_->leave(count_);
}

Seats::Seats(Seats&& other) noexcept : level_(std::move(other.level_)), count_(other.count_) {
  other.level_ = nullptr;
}

Seats& Seats::operator=(Seats&& other) noexcept {
  std::swap(level_, other.level_);
  std::swap(count_, other.count_);
  return *this;
}

PriorityLevel::Config::Config(const api::Object& object) : uid(object.uid()) {
  const api::Json& json = object.json();
  exempt = api::str(json, "spec.type") == "Exempt";
  const std::string part = exempt ? "spec.exempt" : "spec.limited";
  shares = static_cast<double>(api::num(json, part + ".nominalConcurrencyShares", exempt ? 0 : 30));
  lendable_percent = static_cast<double>(api::num(json, part + ".lendablePercent"));
  borrowing_percent = static_cast<double>(api::num(json, part + ".borrowingLimitPercent", -1));
  queues = api::str(json, part + ".limitResponse.type") == "Queue";
  const auto size = [&](const char* field, std::int64_t otherwise) {
    const std::int64_t value = api::num(json, part + ".limitResponse.queuing." + field, otherwise);
    return static_cast<std::size_t>(std::clamp<std::int64_t>(value, 1, 10000));
  };
  queue_count = size("queues", 64);
  hand_size = std::min(size("handSize", 8), queue_count);
  queue_length = size("queueLengthLimit", 50);
}

PriorityLevel::PriorityLevel(std::string name, rt::Clock& clock)
    : name_(std::move(name)), clock_(clock), demand_since_(clock.mono()), demand_from_(demand_since_) {}

void PriorityLevel::configure(Config config, int nominal_seats) {
  config_ = std::move(config);
  while (config_.queues && queues_.size() < config_.queue_count) queues_.push_back(std::make_unique<Queue>());
  if (nominal_ != nominal_seats) current_ = nominal_seats;
  nominal_ = nominal_seats;
  dispatch();
}

void PriorityLevel::set_seats(int current) {
  current_ = std::max(1, current);
  dispatch();
}

void PriorityLevel::demand_changed(int by) {
  const auto now = clock_.mono();
  const double passed = seconds(now - demand_since_);
  demand_sum_ += passed * demand_;
  demand_squares_ += passed * demand_ * demand_;
  demand_since_ = now;
  demand_ += by;
  demand_high_ = std::max(demand_high_, demand_);
}

PriorityLevel::Demand PriorityLevel::take_demand() {
  demand_changed(0);
  Demand out;
  const double passed = seconds(demand_since_ - demand_from_);
  out.high = demand_high_;
  if (passed > 0) {
    out.average = demand_sum_ / passed;
    out.deviation = std::sqrt(std::max(0.0, demand_squares_ / passed - out.average * out.average));
  }
  demand_from_ = demand_since_;
  demand_sum_ = demand_squares_ = 0;
  demand_high_ = demand_;
  return out;
}

void PriorityLevel::enter(int seats) {
  in_use_ += seats;
  ++running_;
  ++counts_.dispatched;
}

void PriorityLevel::leave(int seats) {
  in_use_ -= seats;
  --running_;
  demand_changed(-seats);
  if (waiting_ > 0) dispatch();
}

Seats PriorityLevel::try_enter(int seats) {
  if (!config_.exempt && (waiting_ > 0 || !fits(seats))) return {};
  demand_changed(seats);
  enter(seats);
  return Seats(shared_from_this(), seats);
}

// A hand of distinct queues is dealt by the flow's number as from a deck of cards; the request joins the
// shortest.
std::size_t PriorityLevel::choose_queue(std::uint64_t flow) const {
  std::vector<std::size_t> hand;
  hand.reserve(config_.hand_size);
  std::size_t best = 0, shortest = 0;
  for (std::size_t dealt = 0; dealt < config_.hand_size; ++dealt) {
    const std::size_t left = config_.queue_count - dealt;
    std::size_t card = flow % left;
    flow /= left;
    // `hand` is in order: a card counts those of the deck that are still there.
    auto at = hand.begin();
    for (; at != hand.end() && card >= *at; ++at) ++card;
    hand.insert(at, card);
    const std::size_t length = queues_[card]->waiters.size();
    if (dealt == 0 || length < shortest) {
      best = card;
      shortest = length;
    }
  }
  return best;
}

// A request's place in its queue, left however the wait ends.
class PriorityLevel::Place {
 public:
  Place(std::shared_ptr<PriorityLevel> level, Queue& queue, std::shared_ptr<Waiter> waiter)
      : level_(std::move(level)), queue_(queue), waiter_(std::move(waiter)) {}
  ~Place() {
    if (waiter_ == nullptr) return;
    if (waiter_->started) {
      level_->leave(waiter_->seats);
    } else {
      level_->forget(queue_, waiter_);
    }
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  Seats take() {
    const int seats = waiter_->seats;
    waiter_ = nullptr;
    return Seats(level_, seats);
  }

 private:
  std::shared_ptr<PriorityLevel> level_;
  Queue& queue_;
  std::shared_ptr<Waiter> waiter_;
};

void PriorityLevel::forget(Queue& queue, const std::shared_ptr<Waiter>& waiter) {
  std::erase(queue.waiters, waiter);
  --waiting_;
  demand_changed(-waiter->seats);
}

rt::Task<Result<Seats>> PriorityLevel::wait(std::uint64_t flow, int seats, rt::Duration patience) {
  auto self = shared_from_this();
  if (!config_.queues) {
    ++counts_.no_seat;
    co_return too_many();
  }
  Queue& queue = *queues_[choose_queue(flow)];
  if (queue.waiters.size() >= config_.queue_length) {
    ++counts_.queue_full;
    co_return too_many();
  }
  if (queue.waiters.empty()) queue.start = std::max(virtual_time_, queue.finish);
  auto waiter = std::make_shared<Waiter>(seats);
  queue.waiters.push_back(waiter);
  ++waiting_;
  demand_changed(seats);
  Place place(self, queue, waiter);
  const auto began = clock_.mono();
  dispatch();
  if (!waiter->started) co_await rt::race(waiter->ready.wait(), clock_.sleep_for(patience));
  counts_.waited += seconds(clock_.mono() - began);
  if (!waiter->started) {
    ++counts_.timed_out;
    co_return too_many();
  }
  co_return place.take();
}

PriorityLevel::Queue* PriorityLevel::next_queue() {
  Queue* out = nullptr;
  for (const auto& queue : queues_)
    if (!queue->waiters.empty() && (out == nullptr || queue->start < out->start)) out = queue.get();
  return out;
}

void PriorityLevel::dispatch() {
  while (waiting_ > 0) {
    Queue* const queue = next_queue();
    const auto waiter = queue->waiters.front();
    if (!config_.exempt && !fits(waiter->seats)) return;
    queue->waiters.pop_front();
    --waiting_;
    virtual_time_ = queue->start;
    queue->finish = queue->start = queue->start + waiter->seats;
    enter(waiter->seats);
    waiter->started = true;
    waiter->ready.notify_all();
  }
}

}  // namespace mk::apiserver
