#include "mk/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace mk::detail {

void assert_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "mk: assertion failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace mk::detail
