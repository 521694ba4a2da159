#include "job/plan.h"

#include <algorithm>
#include <set>

#include "kit/objects.h"
#include "kit/pod_owner.h"
#include "kit/pod_rank.h"

namespace mk::controller::job {
namespace {

constexpr std::chrono::seconds kBackoffBase(10), kBackoffMost(360);

std::int64_t wanted(const Stock& stock) {
  const auto& shape = stock.shape;
  if (!shape.completions)
    return stock.succeeded_total > 0 ? static_cast<std::int64_t>(stock.active.size()) : shape.parallelism;
  const auto left = *shape.completions - stock.succeeded_total - stock.failed_indexes.count();
  return std::clamp<std::int64_t>(left, 0, std::max<std::int64_t>(shape.parallelism, 0));
}

void keep_best(std::vector<api::Object>& pods, std::size_t count, std::vector<api::Object>& removed,
               rt::WallTime now) {
  if (pods.size() <= count) return;
  rank_for_deletion(pods, {}, now);
  const auto excess = static_cast<std::ptrdiff_t>(pods.size() - count);
  removed.insert(removed.end(), pods.begin(), pods.begin() + excess);
  pods.erase(pods.begin(), pods.begin() + excess);
}

// Of an Indexed Job only one pod an index may stay, and only where the index needs one.
std::vector<api::Object> keep_useful(const Stock& stock, std::vector<api::Object>& removed,
                                     rt::WallTime now) {
  if (!stock.shape.indexed) return stock.active;
  std::map<std::int64_t, std::vector<api::Object>> by_index;
  std::vector<api::Object> kept;
  for (const auto& pod : stock.active) {
    const auto index = index_of(pod);
    if (!index || *index >= stock.shape.completions.value_or(0) || stock.resolved(*index)) {
      removed.push_back(pod);
    } else {
      by_index[*index].push_back(pod);
    }
  }
  for (auto& [index, pods] : by_index) {
    keep_best(pods, 1, removed, now);
    kept.push_back(pods.front());
  }
  return kept;
}

rt::Duration left_of(rt::WallTime last, std::int64_t failures, rt::WallTime now) {
  return std::max<rt::Duration>(last + backoff_after(failures) - now, rt::Duration(0));
}

// Until a new pod may follow the failures since the last success; zero: at once.
rt::Duration backoff_left(const Stock& stock, rt::WallTime now) {
  std::int64_t failures = 0;
  rt::WallTime last{};
  for (auto at = stock.history.rbegin(); at != stock.history.rend() && at->second; ++at) {
    if (failures++ == 0) last = at->first;
  }
  return failures == 0 ? rt::Duration(0) : left_of(last, failures, now);
}

rt::Duration index_backoff_left(const Stock& stock, std::int64_t index, rt::WallTime now) {
  const auto last = stock.last_failure.find(index);
  if (last == stock.last_failure.end()) return rt::Duration(0);
  const auto& failure = last->second;
  return left_of(failure.at, failure.counted + failure.ignored, now);
}

void note_wait(Todo& todo, rt::Duration wait) {
  todo.wait = todo.wait ? std::min(*todo.wait, wait) : wait;
}

// The lowest indexes that need a pod and may have one now.
void choose_indexes(const Stock& stock, const std::vector<api::Object>& kept, std::int64_t count,
                    rt::WallTime now, Todo& todo) {
  std::set<std::int64_t> taken;
  const auto take = [&taken](const api::Object& pod) {
    if (const auto index = index_of(pod)) taken.insert(*index);
  };
  for (const auto& pod : kept) take(pod);
  if (stock.shape.replace_failed_only) {
    for (const auto& pod : stock.going) take(pod);
  }
  const auto end = stock.shape.completions.value_or(0);
  for (std::int64_t index = 0; index < end && count > 0; ++index) {
    if (taken.count(index) != 0 || stock.resolved(index)) continue;
    const auto wait = stock.shape.per_index ? index_backoff_left(stock, index, now) : rt::Duration(0);
    if (wait > rt::Duration(0)) {
      note_wait(todo, wait);
      continue;
    }
    todo.create.push_back(index);
    --count;
  }
}

}  // namespace

rt::Duration backoff_after(std::int64_t failures) {
  if (failures <= 0) return rt::Duration(0);
  const auto doublings = std::min<std::int64_t>(failures - 1, 10);
  return std::min<std::chrono::seconds>(kBackoffBase * (std::int64_t{1} << doublings), kBackoffMost);
}

Todo plan(const api::Json& job, const Stock& stock, rt::WallTime now) {
  Todo todo;
  if (stock.shape.suspended) {
    todo.remove = stock.active;
    return todo;
  }
  auto kept = keep_useful(stock, todo.remove, now);
  const auto want = wanted(stock);
  keep_best(kept, static_cast<std::size_t>(want), todo.remove, now);
  auto held = static_cast<std::int64_t>(kept.size());
  if (stock.shape.replace_failed_only) held += static_cast<std::int64_t>(stock.going.size());
  const auto missing = std::min<std::int64_t>(want - held, kBurst);
  if (missing <= 0 || !todo.remove.empty()) return todo;
  if (!stock.shape.per_index) {
    const auto wait = backoff_left(stock, now);
    if (wait > rt::Duration(0)) {
      note_wait(todo, wait);
      return todo;
    }
  }
  if (stock.shape.indexed) {
    choose_indexes(stock, kept, missing, now, todo);
  } else {
    todo.create.assign(static_cast<std::size_t>(missing), 0);
  }
  return todo;
}

}  // namespace mk::controller::job
