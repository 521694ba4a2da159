#include "mk/api/quantity.h"

#include "fuzz/target.h"
#include "mk/base/assert.h"

// The canonical form means the same and is a fixed point; sums and differences have one too.
MK_FUZZ_TARGET(quantity, input) {
  using mk::api::Quantity;
  const auto parsed = Quantity::parse(input);
  if (!parsed.ok()) return;
  const auto again = Quantity::parse(parsed->str());
  MK_ASSERT(again.ok() && *again == *parsed && again->str() == parsed->str());
  (void)parsed->value();
  (void)parsed->milli_value();
  for (const auto& made : {*parsed + *parsed, *parsed - Quantity::of(1)})
    MK_ASSERT(Quantity::parse(made.str()).ok());
}
