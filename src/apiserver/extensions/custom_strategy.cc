#include "extensions/custom_resource.h"

// Objects of custom resources: what their definition says, and nothing else.
namespace mk::apiserver {

using api::Json;

namespace {

class CustomStrategy final : public Strategy {
 public:
  explicit CustomStrategy(const CustomResource& resource) : resource_(resource) {}

  bool has_status() const override { return resource_.has_status(); }

  // A write to status changes nothing else: unlike those of built-in kinds it leaves metadata alone, too.
  void prepare_for_update(const WriteContext& context, Json& object, const Json& old) const override {
    if (context.subresource != "status") {
      Strategy::prepare_for_update(context, object, old);
      return;
    }
    Json kept = old;
    auto& fields = kept.as_object();
    if (const Json* status = api::member(object, "status")) {
      fields["status"] = *status;
    } else {
      fields.erase("status");
    }
    if (const Json* managed = api::find(object, "metadata.managedFields"))
      api::set(kept, "metadata.managedFields", *managed);
    object = std::move(kept);
  }

  std::vector<std::string> reset_fields(const WriteContext& context) const override {
    if (!has_status()) return {};
    if (context.subresource != "status") return {"status"};
    std::vector<std::string> out{"metadata", "spec"};
    for (const auto& field : resource_.type().fields) {
      if (field.name != "status" && field.name != "metadata" && field.name != "spec")
        out.push_back(field.name);
    }
    return out;
  }

  void validate(const WriteContext& context, const Json& object, Causes& causes) const override {
    if (context.operation == "CREATE") check(object, nullptr, causes);
  }
  void validate_update(const WriteContext& context, const Json& object, const Json& old,
                       Causes& causes) const override {
    check(object, &old, causes);
  }
  void validate_status_update(const Json& object, const Json& old, Causes& causes) const override {
    check(object, &old, causes);
  }

  // Everything but metadata counts, and status where it is written apart.
  bool new_generation(const Json& object, const Json& old) const override {
    const auto differs = [&](const Json& left, const Json& right) {
      for (const auto& [key, value] : left.as_object()) {
        if (key == "metadata" || key == "apiVersion" || (key == "status" && has_status())) continue;
        const Json* other = api::member(right, key);
        if (other == nullptr || *other != value) return true;
      }
      return false;
    };
    return differs(object, old) || differs(old, object);
  }

 private:
  void check(const Json& object, const Json* old, Causes& causes) const {
    const auto before = causes.size();
    resource_.schema().validate(object, old, causes);
    // Rules are written for objects whose types are right.
    if (causes.size() == before && resource_.rules()) resource_.rules()->check(object, old, causes);
  }

  const CustomResource& resource_;
};

}  // namespace

std::unique_ptr<Strategy> make_custom_strategy(const CustomResource& resource) {
  return std::make_unique<CustomStrategy>(resource);
}

}  // namespace mk::apiserver
