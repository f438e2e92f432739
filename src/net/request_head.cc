// SPDX-License-Identifier: MIT
#include "net/request_head.h"

#include <algorithm>

#include "base/text/percent.h"

namespace photovec::net {
std::optional<std::string> RequestHead::QueryParameter(std::string_view name) const {
  std::string_view rest(query);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (PercentDecodeLeniently(pair.substr(0, equals), Plus::kSpace) != name) continue;
    return PercentDecodeLeniently(pair.substr(std::min(equals + 1, pair.size())), Plus::kSpace);
  }
  return std::nullopt;
}

}  // namespace photovec::net
