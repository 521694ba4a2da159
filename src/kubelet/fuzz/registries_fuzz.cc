#include "fuzz/target.h"
#include "images/reference.h"
#include "images/registries.h"
#include "mk/base/assert.h"

// registries.yaml, and where it sends an image; the same text as an image's name.
MK_FUZZ_TARGET(registries, input) {
  using namespace mk::kubelet;
  static const Reference reference = parse_reference("registry.example:5000/library/a/b:v1").value();
  if (const auto registries = Registries::parse(input); registries.ok())
    MK_ASSERT(!registries->endpoints(reference).empty());
  const auto named = parse_reference(input);
  if (!named.ok()) return;
  const auto again = parse_reference(named->str());
  MK_ASSERT(again.ok() && again->str() == named->str());
}
