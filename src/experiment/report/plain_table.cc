// SPDX-License-Identifier: MIT
#include "experiment/report/plain_table.h"

#include <algorithm>
#include <cstdint>

#include "base/text/utf8.h"

namespace photovec::experiment {

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const size_t length = std::max<size_t>(1, Utf8SequenceLength(text, i));
    uint32_t point = length == 1 ? first : first & (0xFFU >> (length + 1));
    for (size_t k = 1; k < length && i + k < text.size(); ++k) {
      point = (point << 6U) | (static_cast<unsigned char>(text[i + k]) & 0x3FU);
    }
    // Hangul Jamo; CJK, kana and Hangul syllables; compatibility and full-width forms.
    const bool wide = (point >= 0x1100 && point <= 0x115F) || (point >= 0x2E80 && point <= 0xD7A3) ||
                      (point >= 0xF900 && point <= 0xFAFF) || (point >= 0xFF00 && point <= 0xFF60) ||
                      point >= 0x1F300;
    width += wide ? 2 : 1;
    i += length;
  }
  return width;
}

std::string Printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return out;
}

std::string PlainTable(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& left) {
  std::vector<size_t> widths;
  std::vector<std::vector<std::string>> cells = rows;
  for (auto& row : cells) {
    if (widths.size() < row.size()) widths.resize(row.size(), 0);
    for (size_t i = 0; i < row.size(); ++i) {
      row[i] = Printable(row[i]);
      widths[i] = std::max(widths[i], DisplayWidth(row[i]));
    }
  }
  std::string out;
  for (const auto& row : cells) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - DisplayWidth(row[i]), ' ');
      const bool to_left = i == 0 || (i < left.size() && left[i]);
      line += (i == 0 ? "" : "  ") + (to_left ? row[i] + padding : padding + row[i]);
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

}  // namespace photovec::experiment
