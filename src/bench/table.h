// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace photovec::bench {

/// "3.14": `digits` behind the point. Numbers that are none: "-".
std::string Fixed(double value, int digits);
/// Of any size with so many significant digits, as printf's %g, for JSON; "null" for numbers that are none.
std::string Significant(double value, int digits);

/// A table for people: as wide as its widest cells, two spaces between columns. Not thread-safe.
class Table {
 public:
  struct Column {
    std::string title;
    int digits = 0;         ///< behind the point, of numbers
    std::string unit = "";  ///< stands right behind each number: "%", "x"
    bool left = false;      ///< alignment; numbers are read best at the right
  };
  /// A number, a text, or nothing (an empty text), whatever the column's unit.
  class Cell {
   public:
    // NOLINTBEGIN(google-explicit-constructor): rows are lists of values
    Cell(std::floating_point auto number) : value_(static_cast<double>(number)) {}
    Cell(std::integral auto number) : value_(static_cast<double>(number)) {}
    Cell(std::string text) : value_(std::move(text)) {}
    Cell(const char* text) : value_(std::string(text)) {}
    // NOLINTEND(google-explicit-constructor)
    std::string Text(const Column& column) const;

   private:
    std::variant<double, std::string> value_;
  };

  /// \param indent spaces before each line.
  explicit Table(std::vector<Column> columns, int indent = 0)
      : columns_(std::move(columns)), indent_(indent) {}
  /// \param cells at most one a column; those that are missing stay empty.
  /// \param note stands behind the last cell given, however long it is.
  void AddRow(const std::vector<Cell>& cells, std::string note = "");
  /// Titles and rows, each line with its end.
  std::string Text() const;

 private:
  struct Row {
    std::vector<std::string> cells;
    std::string note;
  };
  void AppendLine(std::string& out, const Row& row, const std::vector<size_t>& widths) const;

  std::vector<Column> columns_;
  int indent_;
  std::vector<Row> rows_;
};

}  // namespace photovec::bench
