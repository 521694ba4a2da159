#include "mk/cel/env.h"
#include "registry/strategies/simple.h"

// Dynamic resource allocation (KEP-4381): classes of devices and claims to them. Who may have which device is
// said in CEL over one variable, `device`.
namespace mk::apiserver {

using api::Json;

namespace {

constexpr std::size_t kExpressionMax = 10 * 1024;
constexpr std::size_t kSelectorsMax = 32;

// What an expression sees of a device; attributes and capacities stand below the domain of their names.
class DeviceTypes final : public cel::TypeProvider {
 public:
  static constexpr std::string_view kDevice = "kubernetes.DRADevice";

  bool has_type(std::string_view type_name) const override { return type_name == kDevice; }
  cel::TypePtr field(std::string_view type_name, std::string_view field_name) const override {
    using namespace cel::types;
    if (type_name != kDevice) return nullptr;
    if (field_name == "driver") return string();
    if (field_name == "attributes") return map(string(), map(string(), dyn()));
    if (field_name == "capacity") return map(string(), map(string(), opaque("kubernetes.Quantity")));
    if (field_name == "allowMultipleAllocations") return boolean();
    return nullptr;
  }
};

void validate_expression(const Path& path, std::string_view text, Report& report) {
  static const DeviceTypes kTypes;
  static const cel::Env kEnv({cel::Variable("device", cel::types::object(std::string(DeviceTypes::kDevice)))},
                             &kTypes);
  if (text.size() > kExpressionMax) return report.too_long(path, kExpressionMax);
  const auto program = kEnv.compile(text);
  if (!program.ok()) return report.invalid(path, text, "compilation failed: " + program.error().message());
  const auto kind = program->type()->kind;
  if (kind != cel::Type::Kind::kBool && kind != cel::Type::Kind::kDyn)
    report.invalid(path, text, "must evaluate to bool");
}

void validate_selectors(const Json& holder, const Path& path, Report& report) {
  const Path selectors = path.child("selectors");
  const auto& list = api::list(holder, "selectors");
  if (list.size() > kSelectorsMax) report.too_many(selectors, list.size(), kSelectorsMax);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Path selector = selectors[i];
    const Path cel = selector.child("cel");
    if (api::find(list[i], "cel") == nullptr) {
      report.required(cel);
    } else {
      validate_expression(cel.child("expression"), api::str(list[i], "cel.expression"), report);
    }
  }
}

void validate_claim(const Json& spec, const Path& path, Report& report) {
  const Path devices = path.child("devices");
  const Path requests = devices.child("requests");
  const auto& list = api::list(spec, "devices.requests");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Path request = requests[i];
    if (const Json* exactly = api::find(list[i], "exactly"))
      validate_selectors(*exactly, request.child("exactly"), report);
    const Path alternatives = request.child("firstAvailable");
    const auto& first = api::list(list[i], "firstAvailable");
    for (std::size_t k = 0; k < first.size(); ++k) validate_selectors(first[k], alternatives[k], report);
  }
}

void validate_device_class(const Json& object, Report& report) {
  const Path spec("spec");
  if (const Json* found = api::find(object, "spec")) validate_selectors(*found, spec, report);
}

void validate_resource_claim(const Json& object, Report& report) {
  const Path spec("spec");
  if (const Json* found = api::find(object, "spec")) validate_claim(*found, spec, report);
}

void validate_template(const Json& object, Report& report) {
  const Path spec("spec");
  const Path inner = spec.child("spec");
  if (const Json* found = api::find(object, "spec.spec")) validate_claim(*found, inner, report);
}

}  // namespace

void add_devices(StrategySet& set) {
  const auto add = [&](std::string_view resource, Rules rules) {
    set.add(std::string(resource) + ".resource.k8s.io", make_simple(std::move(rules)));
  };
  // A claim's request is decided once.
  add("resourceclaims", {.validate = validate_resource_claim, .immutable = {"spec"}});
  add("resourceclaimtemplates", {.validate = validate_template, .immutable = {"spec"}, .status = false});
  add("resourceslices", {.immutable = {"spec.driver", "spec.pool.name", "spec.nodeName"}, .status = false});
  add("deviceclasses", {.validate = validate_device_class, .status = false});
}

}  // namespace mk::apiserver
