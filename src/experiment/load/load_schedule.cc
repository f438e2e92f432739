// SPDX-License-Identifier: MIT
#include "experiment/load/load_schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "experiment/counter_random.h"

namespace photovec::experiment {
namespace {

constexpr double kMostArrivals = 1e7;   // 80 MB of schedule
constexpr double kLongestSpan_s = 1e6;  // eleven days
constexpr int kMostClients = 100'000;
constexpr int kMostImages = 1'000'000;

const std::vector<std::string>& Pool(const LoadOptions& options) {
  return options.api == LoadApi::kUpload ? options.photos : options.references;
}

Status Bad(std::string message) { return {Code::kInvalidRequest, "load: " + std::move(message)}; }

bool IsSpan(double seconds) { return seconds >= 0 && seconds <= kLongestSpan_s; }  // false for NaN

/// Uniform in [0, n) from 64 random bits; the bias is below n / 2^64.
uint32_t Below(uint64_t bits, uint32_t n) {
  return static_cast<uint32_t>((static_cast<unsigned __int128>(bits) * n) >> 64);
}

}  // namespace

Status CheckLoadOptions(const LoadOptions& options) {
  if (options.port == 0) return Bad("the server's port is missing");
  if (Pool(options).empty()) {
    return Bad(options.api == LoadApi::kUpload ? "there are no photos to upload"
                                               : "there are no references to ask for");
  }
  if (Pool(options).size() > std::numeric_limits<uint32_t>::max()) return Bad("there are too many images");
  if (options.images_min < 1 || options.images_max < options.images_min || options.images_max > kMostImages) {
    return Bad("images per request: from 1 up, the first number not above the second");
  }
  if (!(options.seconds > 0) || !IsSpan(options.seconds)) return Bad("the duration must be above 0 s");
  if (!IsSpan(options.warmup_s) || !IsSpan(options.drain_s)) {
    return Bad("warm-up and drain must not be negative");
  }
  if (options.arrival == Arrival::kClosed) {
    if (options.clients < 1 || options.clients > kMostClients)
      return Bad("a closed loop needs 1 to 100000 clients");
    if (!IsSpan(options.think_min_s) || !IsSpan(options.think_max_s) ||
        options.think_max_s < options.think_min_s) {
      return Bad("think time: from 0 s up, the first number not above the second");
    }
    return Status::Ok();
  }
  if (!(options.requests_per_s > 0) || !std::isfinite(options.requests_per_s)) {
    return Bad("an open loop needs a rate above 0 requests a second");
  }
  if (options.requests_per_s * (options.warmup_s + options.seconds) > kMostArrivals) {
    return Bad("more than 10 million requests: lower the rate or the duration");
  }
  if (options.max_connections < 1) return Bad("an open loop needs at least 1 connection");
  return Status::Ok();
}

LoadSchedule::LoadSchedule(const LoadOptions& options)
    : arrival_(options.arrival),
      requests_per_s_(options.requests_per_s),
      total_s_(options.warmup_s + options.seconds),
      think_min_s_(options.think_min_s),
      think_max_s_(options.think_max_s),
      images_min_(options.images_min),
      images_max_(options.images_max),
      pool_(static_cast<uint32_t>(Pool(options).size())),
      seed_(options.seed) {}

std::vector<int64_t> LoadSchedule::Arrivals() const {
  std::vector<int64_t> arrivals;
  arrivals.reserve(static_cast<size_t>(requests_per_s_ * total_s_ * 1.1) + 16);
  const auto end_us = static_cast<int64_t>(total_s_ * 1e6);
  double at_s = 0;
  for (uint64_t n = 0;; ++n) {
    if (arrival_ == Arrival::kConstant) {
      at_s = static_cast<double>(n) / requests_per_s_;  // not a sum: no error grows
    } else {
      at_s += RandomExponential(seed_, RandomUse::kArrivalGap, n) / requests_per_s_;
    }
    const auto at_us = static_cast<int64_t>(at_s * 1e6);
    if (at_us >= end_us) return arrivals;
    arrivals.push_back(at_us);
  }
}

int64_t LoadSchedule::ClientStartUs(int client) const {
  const double span_s = std::min(think_max_s_, 1.0);
  const double u = RandomUniform(seed_, RandomUse::kStagger, static_cast<uint64_t>(client));
  return static_cast<int64_t>(span_s * u * 1e6);
}

int64_t LoadSchedule::ThinkUs(uint64_t request) const {
  const double u = RandomUniform(seed_, RandomUse::kThink, request);
  return static_cast<int64_t>((think_min_s_ + (think_max_s_ - think_min_s_) * u) * 1e6);
}

std::vector<uint32_t> LoadSchedule::Images(uint64_t request) const {
  const uint64_t key = RandomBits(seed_, RandomUse::kImages, request);
  uint64_t drawn = 0;
  const auto draw = [&](uint32_t n) { return Below(RandomBits(key, RandomUse::kImages, drawn++), n); };
  const auto choices = static_cast<uint32_t>(images_max_ - images_min_ + 1);
  const size_t count = static_cast<size_t>(images_min_) + draw(choices);
  std::vector<uint32_t> images;
  images.reserve(count);
  // Shuffles the pool from the front as far as it is needed (Fisher and Yates); when it is used up, anew.
  std::vector<uint32_t> order(pool_);
  std::iota(order.begin(), order.end(), 0U);
  while (images.size() < count) {
    const auto take = static_cast<uint32_t>(std::min<size_t>(pool_, count - images.size()));
    for (uint32_t i = 0; i < take; ++i) {
      std::swap(order[i], order[i + draw(pool_ - i)]);
      images.push_back(order[i]);
    }
  }
  return images;
}

}  // namespace photovec::experiment
