// SPDX-License-Identifier: MIT
#include "bench/table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>

#include "base/check.h"

namespace photovec::bench {
namespace {

std::string Formatted(double value, std::chars_format format, int digits) {
  std::array<char, 384> text{};  // 309 digits before the point at most
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value, format, digits).ptr};
}

}  // namespace

std::string Fixed(double value, int digits) {
  return std::isfinite(value) ? Formatted(value, std::chars_format::fixed, digits) : "-";
}

std::string Significant(double value, int digits) {
  return std::isfinite(value) ? Formatted(value, std::chars_format::general, digits) : "null";
}

std::string Table::Cell::Text(const Column& column) const {
  if (const auto* text = std::get_if<std::string>(&value_)) return *text;
  return Fixed(std::get<double>(value_), column.digits) + column.unit;
}

void Table::AddRow(const std::vector<Cell>& cells, std::string note) {
  PHOTOVEC_CHECK(cells.size() <= columns_.size(), "a row has more cells than its table columns");
  Row row{{}, std::move(note)};
  for (size_t i = 0; i < cells.size(); ++i) row.cells.push_back(cells[i].Text(columns_[i]));
  rows_.push_back(std::move(row));
}

void Table::AppendLine(std::string& out, const Row& row, const std::vector<size_t>& widths) const {
  std::string line(static_cast<size_t>(indent_), ' ');
  for (size_t i = 0; i < row.cells.size(); ++i) {
    if (i > 0) line += "  ";
    const std::string padding(widths[i] - row.cells[i].size(), ' ');
    line += columns_[i].left ? row.cells[i] + padding : padding + row.cells[i];
  }
  if (!row.note.empty()) line += (row.cells.empty() ? "" : "  ") + row.note;
  out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
}

std::string Table::Text() const {
  Row titles;
  std::vector<size_t> widths;
  for (const Column& column : columns_) {
    titles.cells.push_back(column.title);
    widths.push_back(column.title.size());
  }
  for (const Row& row : rows_) {
    for (size_t i = 0; i < row.cells.size(); ++i) widths[i] = std::max(widths[i], row.cells[i].size());
  }
  std::string out;
  AppendLine(out, titles, widths);
  for (const Row& row : rows_) AppendLine(out, row, widths);
  return out;
}

}  // namespace photovec::bench
