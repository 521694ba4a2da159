#include "registry/strategies/simple.h"

namespace mk::apiserver {

namespace {

class SimpleStrategy : public Strategy {
 public:
  explicit SimpleStrategy(Rules rules) : rules_(std::move(rules)) {}

  void set_defaults(api::Json& object) const override {
    if (rules_.defaults) rules_.defaults(object);
  }
  void validate(const WriteContext& context, const api::Json& object, Causes& causes) const override {
    Report report(causes);
    if (rules_.validate) rules_.validate(object, report);
  }
  void validate_update(const WriteContext& context, const api::Json& object, const api::Json& old,
                       Causes& causes) const override {
    Report report(causes);
    for (const auto field : rules_.immutable) check_immutable(object, old, field, report);
    if (rules_.validate_update) rules_.validate_update(object, old, report);
  }
  bool has_status() const override { return rules_.status; }
  bool allow_create_on_update() const override { return rules_.create_on_update; }

 private:
  Rules rules_;
};

}  // namespace

std::unique_ptr<Strategy> make_simple(Rules rules) {
  return std::make_unique<SimpleStrategy>(std::move(rules));
}

}  // namespace mk::apiserver
