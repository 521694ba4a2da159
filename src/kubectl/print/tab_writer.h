#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace mk::kubectl {

// Elastic tab stops: cells end with a tab, and a column is as wide as the widest cell of the neighbouring
// lines that have it. A line's last cell (without a tab) has no width. What describe prints is aligned by
// this.
std::string align_tabs(std::string_view text, std::size_t width_min, std::size_t padding);

// Rows of one table, three spaces apart. Widths are remembered between flushes, so that the rows of a watch
// line up with those before.
class TabWriter {
 public:
  void row(std::vector<std::string> cells);
  void flush(std::ostream& out);

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> widths_;
};

std::size_t text_width(std::string_view utf8);

}  // namespace mk::kubectl
