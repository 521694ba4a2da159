#include "mk/base/temp_dir.h"

#include <cstdlib>

#include "mk/base/assert.h"
#include "mk/base/files.h"

namespace mk {

TempDir::TempDir() {
  char pattern[] = "/tmp/mk-XXXXXX";
  MK_ASSERT(::mkdtemp(pattern) != nullptr);
  path_ = pattern;
}

TempDir::~TempDir() {
  (void)remove_tree(path_);
}

}  // namespace mk
