// SPDX-License-Identifier: MIT
#include "experiment/report/format.h"

#include <array>
#include <cmath>
#include <cstdio>

#include "base/text/sizes.h"
#include "base/text/utf8.h"
#include "experiment/report/text.h"

namespace photovec::experiment {
namespace {

constexpr std::string_view kMinus = "\xE2\x80\x93";  // as in the owners' tables

std::string Fixed(double value, int digits) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

// Calls ascii(c) for each ASCII character; copies other characters; replaces what is no UTF-8.
template <typename Ascii>
std::string Escape(std::string_view text, Ascii ascii) {
  std::string out;
  out.reserve(text.size() + 16);
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text, 0);
    if (length == 0) {
      out += kReplacementCharacter;
    } else if (length == 1) {
      ascii(out, text[0]);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

}  // namespace

std::string FormatNumber(double value) {
  const double size = std::abs(value);
  if (size >= 9'999.5) return FormatCount(static_cast<size_t>(std::llround(size)));
  if (size >= 999.5) return Fixed(value, 0);
  if (size >= 99.95) return Fixed(value, 1);
  if (size >= 0.995 || size == 0) return Fixed(value, 2);
  return Fixed(value, 3);
}

std::string FormatPercent(double share) { return Fixed(share * 100, 1) + "%"; }

std::string FormatRate(double rate) {
  const double percent = rate * 100;
  const std::string text = Fixed(std::abs(percent), std::abs(percent) >= 99.95 ? 0 : 1) + "%";
  return (percent < 0 ? std::string(kMinus) : "+") + text;
}

std::string FormatCount(size_t count) {
  std::string text = std::to_string(count);
  for (size_t i = text.size(); i > 3;) {
    i -= 3;
    text.insert(i, ",");
  }
  return text;
}

std::string FormatBytes(double bytes) { return HumanBytes(static_cast<uint64_t>(std::max(bytes, 0.0))); }

std::string FormatCell(const Cell& cell, Unit unit) {
  if (cell.samples == 0) return std::string(kMinus);
  return unit == Unit::kShare ? FormatPercent(cell.value) : FormatNumber(cell.value);
}

std::string FormatChange(const Change& change, Language language) {
  switch (change.verdict) {
    case Verdict::kSame:
      return "\xE2\x89\x88 " + std::string(Text(language, "no_difference"));  // ≈
    case Verdict::kHigher:
      return "\xE2\x96\xB2 " + FormatRate(change.rate);  // ▲
    case Verdict::kLower:
      return "\xE2\x96\xBC " + FormatRate(change.rate);  // ▼
    case Verdict::kUnknown:
      return FormatRate(change.rate) + " ?";
  }
  return "";
}

std::string FormatInterval(const Interval& rates) {
  const std::string low = FormatRate(rates.low);
  return low.substr(0, low.size() - 1) + " \xE2\x80\xA6 " + FormatRate(rates.high);
}

std::string EscapeHtml(std::string_view text) {
  return Escape(text, [](std::string& out, char c) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') {
          out += kReplacementCharacter;
        } else {
          out += c;
        }
    }
  });
}

std::string EscapeMarkdown(std::string_view text) {
  return Escape(text, [](std::string& out, char c) {
    if (c == '\n' || c == '\r') {
      out += ' ';
      return;
    }
    if (std::string_view("|\\`*_<>[]").find(c) != std::string_view::npos) out += '\\';
    out += c;
  });
}

std::string JoinCommand(const std::vector<std::string>& words) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  return line;
}

}  // namespace photovec::experiment
