#include "mk/api/jsonpath.h"

#include "fuzz/target.h"

// A template over a small object.
MK_FUZZ_TARGET(jsonpath, input) {
  using namespace mk::api;
  static const Json root =
      parse_json(R"({"kind":"List","items":[{"a":1,"b":{"c":["x","y"]}},{"a":2.5}],"n":null})").value();
  for (const auto& parsed : {JsonPath::parse(input), JsonPath::parse_relaxed(input)}) {
    if (!parsed.ok()) continue;
    (void)parsed->print(root).ok();
    (void)parsed->find(root).ok();
  }
}
