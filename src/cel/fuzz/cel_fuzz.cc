#include "fuzz/target.h"
#include "mk/base/assert.h"
#include "mk/cel/admission.h"
#include "mk/cel/cost.h"

// An expression over a small object: compiling, estimating and running it ends, whatever it says, and stays
// within its budget.
MK_FUZZ_TARGET(cel, input) {
  using namespace mk::cel;
  static const mk::api::Json object =
      mk::api::parse_json(R"({"metadata":{"name":"n","labels":{"a":"b"}},"spec":{"replicas":3,"ratio":0.5,
        "containers":[{"name":"c","image":"i"},{"name":"d","image":null}],"text":"h\u00e9llo"}})")
          .value();
  static const AdmissionTypes types_of(nullptr, types::dyn(), types::dyn());
  const Env env = types_of.env(AdmissionTypes::Names(true, false));
  const auto program = env.compile(input);
  if (!program.ok()) return;
  const auto estimate = estimate_cost(*program, {});
  MK_ASSERT(estimate.min <= estimate.max);
  std::vector<Value> values(static_cast<std::size_t>(AdmissionVariable::kCount), Value::null());
  values[0] = values[1] = Value::json(object);
  Budget budget(100'000);
  const auto value = program->evaluate(ValueBindings(std::move(values)), budget);
  if (!value.ok()) return;
  (void)value->debug();
  (void)to_json(*value).ok();
}
