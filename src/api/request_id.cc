// SPDX-License-Identifier: MIT
#include "api/request_id.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <random>
#include <span>

#include "base/text/ascii.h"

namespace photovec::api {
namespace {

constexpr size_t kMaxLength = 128;

// Of this process: with it numbers that simply count are unique among servers.
std::string ProcessPrefix() {
  std::array<uint8_t, 8> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    std::random_device device;
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(device());
  }
  return HexEncode(bytes) + "-";
}

bool IsHex(std::string_view text) {
  const auto lower_hex = [](char c) { return kLowerHexDigits.find(c) != std::string_view::npos; };
  return std::all_of(text.begin(), text.end(), lower_hex);
}

bool IsZero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

}  // namespace

std::string RequestIdOf(std::string_view sent) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  if (!sent.empty() && sent.size() <= kMaxLength &&
      sent.find_first_not_of(kAllowed) == std::string_view::npos) {
    return std::string(sent);
  }
  static const std::string prefix = ProcessPrefix();
  static std::atomic<uint64_t> next{0};
  return prefix + std::to_string(next.fetch_add(1, std::memory_order_relaxed));
}

std::string_view CheckedTraceparent(std::string_view sent) {
  // 00-TRACE(32)-PARENT(16)-FLAGS(2)
  if (sent.size() != 55 || !sent.starts_with("00-") || sent[35] != '-' || sent[52] != '-') return {};
  const std::string_view trace = sent.substr(3, 32);
  const std::string_view parent = sent.substr(36, 16);
  if (!IsHex(trace) || !IsHex(parent) || !IsHex(sent.substr(53)) || IsZero(trace) || IsZero(parent))
    return {};
  return sent;
}

}  // namespace photovec::api
