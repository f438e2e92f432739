// SPDX-License-Identifier: MIT
#include "fetch/s3/aws_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <utility>

namespace photovec::fetch {
namespace {

constexpr size_t kLongestCode = 64;

void AppendUtf8(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
  } else if (code < 0x10000) {
    out += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
            static_cast<char>(0x80 | (code & 0x3F))};
  } else {
    out += {static_cast<char>(0xF0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 0x3F)),
            static_cast<char>(0x80 | (code >> 6 & 0x3F)), static_cast<char>(0x80 | (code & 0x3F))};
  }
}

/// \param entity between "&" and ";". False when there is no such thing.
bool AppendEntity(std::string_view entity, std::string& out) {
  constexpr std::array<std::pair<std::string_view, char>, 5> kNamed = {
      {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}}};
  for (const auto& [name, character] : kNamed) {
    if (entity == name) {
      out += character;
      return true;
    }
  }
  if (!entity.starts_with('#')) return false;
  entity.remove_prefix(1);
  const int base = entity.starts_with('x') ? 16 : 10;
  if (base == 16) entity.remove_prefix(1);
  uint32_t code = 0;
  const auto [end, error] = std::from_chars(entity.data(), entity.data() + entity.size(), code, base);
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  if (error != std::errc() || end != entity.data() + entity.size() || code == 0 || code > 0x10FFFF ||
      surrogate) {
    return false;
  }
  AppendUtf8(code, out);
  return true;
}

std::string Decoded(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() == '&') {
      const size_t end = text.find(';');
      if (end != std::string_view::npos && end <= 10 && AppendEntity(text.substr(1, end - 1), out)) {
        text.remove_prefix(end + 1);
        continue;
      }
    }
    out += text.front();
    text.remove_prefix(1);
  }
  return out;
}

}  // namespace

std::optional<std::string> XmlText(std::string_view xml, std::string_view name) {
  const std::string open = "<" + std::string(name);
  const std::string close = "</" + std::string(name) + ">";
  for (size_t at = xml.find(open); at != std::string_view::npos; at = xml.find(open, at + 1)) {
    const size_t after = at + open.size();
    if (after >= xml.size() || std::string_view("> \t\r\n/").find(xml[after]) == std::string_view::npos) {
      continue;  // a longer name
    }
    const size_t end = xml.find('>', after);
    if (end == std::string_view::npos) return std::nullopt;
    if (xml[end - 1] == '/') return std::string();
    const size_t closed = xml.find(close, end);
    if (closed == std::string_view::npos) return std::nullopt;
    return Decoded(xml.substr(end + 1, closed - end - 1));
  }
  return std::nullopt;
}

std::optional<std::chrono::system_clock::time_point> ParseAwsTime(std::string_view text) {
  using std::chrono::year_month_day;
  const std::string copy(text);
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hours = 0;
  int minutes = 0;
  int seconds = 0;
  int used = 0;
  if (std::sscanf(copy.c_str(), "%4d-%2u-%2uT%2d:%2d:%2d%n", &year, &month, &day, &hours, &minutes, &seconds,
                  &used) != 6) {
    return std::nullopt;
  }
  std::string_view rest = text.substr(static_cast<size_t>(used));
  if (rest.starts_with('.'))
    rest.remove_prefix(std::min(rest.find_first_not_of("0123456789", 1), rest.size()));
  if (rest != "Z" && rest != "+00:00" && rest != "+0000") return std::nullopt;
  const year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (!date.ok() || hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 60) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date) + std::chrono::hours(hours) + std::chrono::minutes(minutes) +
         std::chrono::seconds(seconds);
}

std::string SafeCode(std::string_view text) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:";
  std::string out(text.substr(0, kLongestCode));
  for (char& c : out) c = kAllowed.find(c) == std::string_view::npos ? '?' : c;
  return out;
}

}  // namespace photovec::fetch
