#pragma once

#include <iosfwd>

namespace mk::kubectl {

// Where a command reads and writes; tests capture it.
struct Io {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
};

}  // namespace mk::kubectl
