#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "mk/base/assert.h"
#include "mk/base/reason.h"

namespace mk {

// One field of an invalid object: metav1.StatusCause.
struct Cause {
  Cause(std::string field_path, std::string cause_type, std::string text)
      : field(std::move(field_path)), type(std::move(cause_type)), message(std::move(text)) {}

  std::string field;    // "spec.containers[0].name"
  std::string type;     // "FieldValueRequired", "FieldValueInvalid", ...
  std::string message;  // without the path
};

// An error somebody can act on. Crosses rooms; becomes a metav1.Status at the API.
class [[nodiscard]] Error {
 public:
  Error(Reason reason, std::string message) : reason_(reason), message_(std::move(message)) {}

  Reason reason() const { return reason_; }
  const std::string& message() const { return message_; }
  bool is(Reason reason) const { return reason_ == reason; }

  // What the error is about: metav1.StatusDetails.
  std::string group, kind, name;
  std::vector<Cause> causes;
  int retry_after_seconds = 0;

  // Adds where it happened, outermost first: wrap("dial 10.0.0.4:6443") gives "dial 10.0.0.4:6443: refused".
  Error wrap(std::string_view context) && {
    message_.insert(0, ": ").insert(0, context);
    return std::move(*this);
  }

 private:
  Reason reason_;
  std::string message_;
};

// A value or an Error; std::expected's face (clang 14 with libstdc++ 12 has none).
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return MK_ASSERT(ok()), std::get<0>(state_); }
  const T& value() const& { return MK_ASSERT(ok()), std::get<0>(state_); }
  T&& value() && { return MK_ASSERT(ok()), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T value_or(T other) const& { return ok() ? std::get<0>(state_) : std::move(other); }

  const Error& error() const& { return MK_ASSERT(!ok()), std::get<1>(state_); }
  Error&& error() && { return MK_ASSERT(!ok()), std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return MK_ASSERT(!ok()), *error_; }
  Error&& error() && { return MK_ASSERT(!ok()), std::move(*error_); }

 private:
  std::optional<Error> error_;
};

inline Result<void> ok() {
  return {};
}

}  // namespace mk

#define MK_CONCAT_INNER(a, b) a##b
#define MK_CONCAT(a, b) MK_CONCAT_INNER(a, b)

// MK_TRY(expr): return the error of a Result, if it is one.
// MK_ASSIGN(auto x, expr): the same, else bind the value. The MK_CO_ pair is for coroutines.
#define MK_TRY(...)                                                                  \
  do {                                                                               \
    if (auto mk_try = (__VA_ARGS__); !mk_try.ok()) return std::move(mk_try).error(); \
  } while (false)
#define MK_CO_TRY(...)                                                                  \
  do {                                                                                  \
    if (auto mk_try = (__VA_ARGS__); !mk_try.ok()) co_return std::move(mk_try).error(); \
  } while (false)
#define MK_ASSIGN_INNER(name, declaration, ret, ...) \
  auto name = (__VA_ARGS__);                         \
  if (!name.ok()) ret std::move(name).error();       \
  declaration = std::move(name).value()
#define MK_ASSIGN(declaration, ...) \
  MK_ASSIGN_INNER(MK_CONCAT(mk_result_, __LINE__), declaration, return, __VA_ARGS__)
#define MK_CO_ASSIGN(declaration, ...) \
  MK_ASSIGN_INNER(MK_CONCAT(mk_result_, __LINE__), declaration, co_return, __VA_ARGS__)
