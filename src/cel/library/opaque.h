#pragma once

#include "mk/cel/value.h"

namespace mk::cel {

// A library type around a C++ value: Kind says name() and the T, which has ==.
template <class Kind, class T>
class Boxed : public Opaque {
 public:
  explicit Boxed(T content) : content_(std::move(content)) {}
  const TypePtr& type() const override {
    static const TypePtr kType = types::opaque(Kind::kName);
    return kType;
  }
  bool equals(const Opaque& other) const override {
    const auto* same = dynamic_cast<const Boxed*>(&other);
    return same != nullptr && same->content_ == content_;
  }
  const T& content() const { return content_; }

  static Value box(T content) { return Value::opaque(std::make_shared<const Boxed>(std::move(content))); }
  // Of an argument that fits the type.
  static const T& of(const Value& value) { return static_cast<const Boxed&>(value.as_opaque()).content_; }

 private:
  T content_;
};

}  // namespace mk::cel
