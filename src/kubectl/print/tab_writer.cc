#include "print/tab_writer.h"

#include <algorithm>

#include "mk/base/strings.h"

namespace mk::kubectl {

namespace {

constexpr std::size_t kColumnMin = 6, kColumnGap = 3;

using Line = std::vector<std::string_view>;

struct Block {
  std::vector<Line> lines;
  std::vector<std::vector<std::size_t>> widths;  // of each line's tab-ended cells
  std::size_t width_min, padding;

  // Gives the lines [first, last) that have a cell in `column` its width, run by run, and goes on to the
  // right.
  void set_widths(std::size_t first, std::size_t last, std::size_t column) {
    const auto has = [&](std::size_t line) { return lines[line].size() > column + 1; };
    for (std::size_t at = first; at < last;) {
      if (!has(at)) {
        ++at;
        continue;
      }
      std::size_t end = at, width = width_min;
      for (; end < last && has(end); ++end) width = std::max(width, text_width(lines[end][column]) + padding);
      for (std::size_t line = at; line < end; ++line) widths[line].push_back(width);
      set_widths(at, end, column + 1);
      at = end;
    }
  }
};

}  // namespace

std::size_t text_width(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(
      utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string align_tabs(std::string_view text, std::size_t width_min, std::size_t padding) {
  Block block{{}, {}, width_min, padding};
  for (const auto line : split(text, '\n')) block.lines.push_back(split(line, '\t'));
  block.widths.resize(block.lines.size());
  block.set_widths(0, block.lines.size(), 0);
  std::string out;
  for (std::size_t line = 0; line < block.lines.size(); ++line) {
    if (line > 0) out += '\n';
    for (std::size_t cell = 0; cell < block.lines[line].size(); ++cell) {
      out += block.lines[line][cell];
      if (cell < block.widths[line].size())
        out.append(block.widths[line][cell] - text_width(block.lines[line][cell]), ' ');
    }
  }
  return out;
}

void TabWriter::row(std::vector<std::string> cells) {
  rows_.push_back(std::move(cells));
}

void TabWriter::flush(std::ostream& out) {
  for (const auto& cells : rows_) {
    if (widths_.size() < cells.size()) widths_.resize(cells.size(), kColumnMin);
    for (std::size_t i = 0; i + 1 < cells.size(); ++i)
      widths_[i] = std::max(widths_[i], text_width(cells[i]) + kColumnGap);
  }
  for (const auto& cells : rows_) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      out << cells[i];
      if (i + 1 < cells.size()) out << std::string(widths_[i] - text_width(cells[i]), ' ');
    }
    out << "\n";
  }
  rows_.clear();
  out.flush();
}

}  // namespace mk::kubectl
