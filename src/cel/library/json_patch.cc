#include "check/functions.h"
#include "mk/base/strings.h"

// jsonpatch.escapeKey(): a key as a step of a JSON pointer (RFC 6901).
namespace mk::cel {

namespace {

Value escape_key(Arguments a) {
  return Value::string(replace_all(replace_all(std::string(a[0].as_string()), "~", "~0"), "/", "~1"));
}

constexpr FunctionRow kRows[] = {{"jsonpatch.escapeKey(string): string", escape_key, Cost::kTraverse}};

}  // namespace

std::span<const FunctionRow> json_patch_functions() {
  return kRows;
}

}  // namespace mk::cel
