#pragma once

#include <stdlib.h>

#include <string>

#include "mk/base/files.h"

namespace mk::apiserver::testing {

// A folder that goes with its test, also when the test fails in a constructor.
class TestDir {
 public:
  TestDir() {
    char pattern[] = "/tmp/mk-apiserver-XXXXXX";
    path_ = ::mkdtemp(pattern);
  }
  ~TestDir() { (void)remove_tree(path_); }
  TestDir(const TestDir&) = delete;
  TestDir& operator=(const TestDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace mk::apiserver::testing
