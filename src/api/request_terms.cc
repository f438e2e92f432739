// SPDX-License-Identifier: MIT
#include "api/request_terms.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <optional>
#include <string>

namespace photovec::api {
namespace {

using std::chrono::milliseconds;

constexpr double kMostMs = 1e10;  // four months: longer is no time that anybody means
constexpr double kLearnOver = 32;

std::optional<double> Number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > 0) || value > kMostMs) {
    return std::nullopt;
  }
  return value;
}

bool IsWhole(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Result<milliseconds> TimeOf(const net::RequestHead& head, const TimeLimits& limits) {
  if (!head.timeout_header.empty()) {
    const auto ms = Number(head.timeout_header);
    if (!ms || !IsWhole(head.timeout_header)) {
      return Status(Code::kInvalidRequest,
                    "X-Request-Timeout-Ms must be a whole number of milliseconds, 1 or more");
    }
    return milliseconds(static_cast<int64_t>(*ms));
  }
  const auto seconds = Number(head.openai_timeout);
  if (seconds) return milliseconds(static_cast<int64_t>(std::ceil(std::min(*seconds * 1e3, kMostMs))));
  return limits.usual > milliseconds(0) ? limits.usual : limits.most;
}

}  // namespace

Result<RequestTerms> TermsOf(const net::RequestHead& head, const TimeLimits& limits, TimePoint started) {
  RequestTerms terms;
  ASSIGN_OR_RETURN(const milliseconds time, TimeOf(head, limits));
  terms.deadline = Deadline(started + std::min(time, limits.most));
  if (head.priority_header == "bulk") {
    terms.lane = Lane::kBulk;
  } else if (!head.priority_header.empty() && head.priority_header != "interactive") {
    return Status(Code::kInvalidRequest, "X-Priority must be interactive or bulk");
  }
  return terms;
}

double ImageGuess::More(Form form, uint64_t bytes) const {
  const double mean = (form == Form::kMultipart ? multipart_ : json_).load(std::memory_order_relaxed);
  return std::round(static_cast<double>(bytes) / mean);
}

int ImageGuess::Images(Form form, uint64_t bytes) const {
  return static_cast<int>(std::clamp(More(form, bytes), 1.0, 1e6));
}

void ImageGuess::Learn(Form form, uint64_t bytes, size_t images) {
  if (images == 0) return;
  std::atomic<double>& mean = form == Form::kMultipart ? multipart_ : json_;
  const double seen = std::max(1.0, static_cast<double>(bytes) / static_cast<double>(images));
  const double known = mean.load(std::memory_order_relaxed);  // two at once: one of them is not learnt
  mean.store(known + (seen - known) / kLearnOver, std::memory_order_relaxed);
}

uint64_t ClientKey(std::string_view id) { return std::hash<std::string_view>{}(id); }

uint64_t RetryKey(uint64_t client, const net::RequestHead& head) {
  constexpr uint64_t kMix = 0x9E3779B97F4A7C15ULL;  // 2^64 / golden ratio
  uint64_t key = client * kMix + std::hash<std::string>{}(head.path);
  key = (key ^ (key >> 32U)) * kMix + head.content_length.value_or(0);
  return key ^ (key >> 29U);
}

}  // namespace photovec::api
