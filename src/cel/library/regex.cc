#include "library/regex.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <list>
#include <mutex>
#include <unordered_map>

#include "check/functions.h"

// matches, find, findAll, by libre2.
namespace mk::cel {

namespace {

using Pattern = std::shared_ptr<const re2::RE2>;

Pattern build(std::string_view pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  return std::make_shared<const re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
}

// The patterns used last: policies use the same few for every object. Programs may run on several threads.
class PatternCache {
 public:
  Pattern get(std::string_view pattern) {
    const std::lock_guard lock(mutex_);
    if (const auto found = index_.find(pattern); found != index_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return recent_.front().second;
    }
    recent_.emplace_front(std::string(pattern), build(pattern));
    index_.emplace(recent_.front().first, recent_.begin());
    if (recent_.size() > kPatternsMax) {
      index_.erase(recent_.back().first);
      recent_.pop_back();
    }
    return recent_.front().second;
  }

 private:
  static constexpr std::size_t kPatternsMax = 64;
  using Entries = std::list<std::pair<std::string, Pattern>>;
  std::mutex mutex_;
  Entries recent_;
  std::unordered_map<std::string_view, Entries::iterator> index_;
};

Pattern pattern_of(std::string_view text) {
  static PatternCache cache;
  return cache.get(text);
}

Value bad_pattern(std::string_view text, const re2::RE2& pattern) {
  return Value::error(fmt::format("error parsing regexp: {}: `{}`", pattern.error(), text));
}

re2::StringPiece piece(std::string_view text) {
  return re2::StringPiece(text.data(), text.size());
}

std::vector<Value> find_up_to(std::string_view text, const re2::RE2& pattern, std::int64_t count_max) {
  std::vector<Value> out;
  const auto whole = piece(text);
  std::size_t at = 0;
  re2::StringPiece found;
  while (at <= text.size() && (count_max < 0 || static_cast<std::int64_t>(out.size()) < count_max)) {
    if (!pattern.Match(whole, at, text.size(), re2::RE2::UNANCHORED, &found, 1)) break;
    out.push_back(Value::string(std::string(found.data(), found.size())));
    const auto end = static_cast<std::size_t>(found.data() - text.data()) + found.size();
    at = found.empty() ? end + 1 : end;
  }
  return out;
}

Value matches_of(Arguments a, std::int64_t count_max) {
  const Pattern pattern = pattern_of(a[1].as_string());
  if (!pattern->ok()) return bad_pattern(a[1].as_string(), *pattern);
  return Value::list(find_up_to(a[0].as_string(), *pattern, count_max));
}

Value find(Arguments a) {
  const Value found = matches_of(a, 1);
  if (found.is_error()) return found;
  return found.size() == 0 ? Value::string("") : found.at(0);
}
Value find_all(Arguments a) {
  return matches_of(a, -1);
}
Value find_all_up_to(Arguments a) {
  return matches_of(a, a[2].as_int());
}

constexpr FunctionRow kRows[] = {
    {"string::find(string): string", find, Cost::kMatch},
    {"string::findAll(string): list<string>", find_all, Cost::kMatch},
    {"string::findAll(string, int): list<string>", find_all_up_to, Cost::kMatch}};

}  // namespace

Value regex_matches(std::string_view text, std::string_view pattern_text) {
  const Pattern pattern = pattern_of(pattern_text);
  if (!pattern->ok()) return bad_pattern(pattern_text, *pattern);
  return Value::of(re2::RE2::PartialMatch(piece(text), *pattern));
}

std::span<const FunctionRow> regex_functions() {
  return kRows;
}

}  // namespace mk::cel
