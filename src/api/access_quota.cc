// SPDX-License-Identifier: MIT
#include "api/access_quota.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "base/text/sizes.h"

namespace photovec::api {
namespace {

constexpr double kMostCount = 1e9;
constexpr int kMostRetrySeconds = 3'600;

Status Wrong(std::string_view part) {
  return {
      Code::kInvalidRequest,
      "\"" + std::string(part.substr(0, 64)) +
          "\" is no quota: give requests=N/s, images=N/min and bytes=SIZE, parted by commas; a rate is per "
          "s, min or h"};
}

std::optional<Rate> ParseRate(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  Rate rate;
  const std::string_view number = text.substr(0, slash);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), rate.count);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  if (!(rate.count > 0) || rate.count > kMostCount) return std::nullopt;
  const std::string_view unit = text.substr(slash + 1);
  if (unit == "s") {
    rate.seconds = 1;
  } else if (unit == "min") {
    rate.seconds = 60;
  } else if (unit == "h") {
    rate.seconds = 3'600;
  } else {
    return std::nullopt;
  }
  return rate;
}

int WholeSeconds(double seconds) {
  return static_cast<int>(std::clamp(std::ceil(seconds), 1.0, static_cast<double>(kMostRetrySeconds)));
}

}  // namespace

Result<Quota> ParseQuota(std::string_view text) {
  Quota quota;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const size_t equals = std::min(part.find('='), part.size());
    const std::string_view name = part.substr(0, equals);
    const std::string_view value = part.substr(std::min(equals + 1, part.size()));
    if (name == "bytes") {
      const auto bytes = ParseBytes(value);
      if (!bytes.ok() || *bytes == 0) return Wrong(part);
      quota.bytes_in_flight = *bytes;
      continue;
    }
    const auto rate = ParseRate(value);
    if (!rate || (name != "requests" && name != "images")) return Wrong(part);
    (name == "requests" ? quota.requests : quota.images) = *rate;
  }
  return quota;
}

void QuotaUse::Bucket::Fill(const Rate& rate, TimePoint now) {
  const double seconds = std::chrono::duration<double>(now - at).count();
  if (seconds <= 0) return;
  used = std::max(0.0, used - seconds * rate.count / rate.seconds);
  at = now;
}

// A bucket of less than one, "1/h" a minute after its last use, holds a whole one in the end all the same.
double QuotaUse::Bucket::WaitForOne(const Rate& rate) const {
  const double excess = used - std::max(0.0, rate.count - 1);
  return excess <= 0 ? 0 : excess * rate.seconds / rate.count;
}

std::optional<QuotaRefusal> QuotaUse::Begin(const Quota& quota, std::optional<uint64_t> bytes, TimePoint now,
                                            uint64_t* held) {
  std::scoped_lock lock(mutex_);
  uint64_t wanted = 0;
  if (quota.bytes_in_flight > 0) {
    wanted = bytes.value_or(quota.bytes_in_flight);
    if (wanted > quota.bytes_in_flight) return QuotaRefusal{"bytes in flight", 1, true};
    if (bytes_ > 0 && bytes_ + wanted > quota.bytes_in_flight) return QuotaRefusal{"bytes in flight", 1};
  }
  if (quota.images.count > 0) {
    images_.Fill(quota.images, now);
    if (const double wait = images_.WaitForOne(quota.images); wait > 0) {
      return QuotaRefusal{"images", WholeSeconds(wait)};
    }
  }
  if (quota.requests.count > 0) {
    requests_.Fill(quota.requests, now);
    if (const double wait = requests_.WaitForOne(quota.requests); wait > 0) {
      return QuotaRefusal{"requests", WholeSeconds(wait)};
    }
    requests_.used += 1;
  }
  bytes_ += wanted;
  *held = wanted;
  return std::nullopt;
}

void QuotaUse::PayImages(const Quota& quota, size_t images, TimePoint now) {
  if (quota.images.count <= 0) return;
  std::scoped_lock lock(mutex_);
  images_.Fill(quota.images, now);
  images_.used += static_cast<double>(images);
}

void QuotaUse::Release(uint64_t held) {
  std::scoped_lock lock(mutex_);
  bytes_ -= std::min(bytes_, held);
}

}  // namespace photovec::api
