// SPDX-License-Identifier: MIT
#include "fetch/http/retry.h"

#include <curl/curl.h>

#include <charconv>
#include <string>

namespace photovec::fetch {

std::optional<std::chrono::seconds> ParseRetryAfter(std::string_view value,
                                                    std::chrono::system_clock::time_point now) {
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error == std::errc() && end == value.data() + value.size()) {
    if (seconds < 0) return std::nullopt;
    return std::chrono::seconds(std::min<int64_t>(seconds, 86'400));
  }
  const time_t at = curl_getdate(std::string(value).c_str(), nullptr);
  if (at < 0) return std::nullopt;
  const auto wait = std::chrono::system_clock::from_time_t(at) - now;
  return std::clamp(std::chrono::ceil<std::chrono::seconds>(wait), std::chrono::seconds(0),
                    std::chrono::seconds(86'400));
}

}  // namespace photovec::fetch
