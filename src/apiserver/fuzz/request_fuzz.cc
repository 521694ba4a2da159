#include "fuzz/target.h"
#include "handlers/request_info.h"
#include "http/negotiate.h"
#include "mk/base/assert.h"

// A path, a header that names media types, and a body, one line each: what every request is read by.
MK_FUZZ_TARGET(request, input) {
  using namespace mk::apiserver;
  const auto first = input.find('\n');
  const auto second = first == std::string_view::npos ? first : input.find('\n', first + 1);
  if (second == std::string_view::npos) return;
  const auto path = input.substr(0, first), types = input.substr(first + 1, second - first - 1),
             body = input.substr(second + 1);
  for (const bool watch : {false, true}) {
    const auto info = parse_request("GET", path, watch);
    MK_ASSERT(!info.verb.empty() && (info.resource_request || info.resource.empty()));
  }
  (void)negotiate(types).ok();
  (void)patch_type(types).ok();
  mk::api::FieldProblems repeated;
  (void)parse_body(types, body, &repeated).ok();
}
