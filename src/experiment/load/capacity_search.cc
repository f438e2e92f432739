// SPDX-License-Identifier: MIT
#include "experiment/load/capacity_search.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "experiment/parse.h"

namespace photovec::experiment {

Result<Objective> ParseObjective(std::string_view text) {
  const auto bad = [&](const std::string& why) {
    return Status(Code::kInvalidRequest, "objective '" + std::string(text) + "': " + why +
                                             "; write a quantile of the total time and its bound, such as "
                                             "p95<800ms or p99.9<=1.5s");
  };
  const size_t sign = text.find('<');
  if (!text.starts_with('p') || sign == std::string_view::npos) return bad("it is not of the form pNN<TIME");
  double percent = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + sign, percent);
  if (error != std::errc() || end != text.data() + sign || !(percent > 0 && percent < 100)) {
    return bad("the quantile must be a number between p0 and p100");
  }
  std::string_view bound = text.substr(sign + 1);
  Objective objective;
  objective.inclusive = bound.starts_with('=');
  if (objective.inclusive) bound.remove_prefix(1);
  const Result<double> ms = ParseMilliseconds(bound);
  if (!ms.ok()) return bad(ms.status().message());
  if (*ms <= 0) return bad("the bound must be above 0");
  objective.quantile = percent / 100;
  objective.bound_ms = *ms;
  objective.text = std::string(text);
  return objective;
}

CapacitySearch::CapacitySearch(Objective objective, double first_guess, double precision, int max_trials)
    : objective_(std::move(objective)),
      precision_(precision),
      max_trials_(max_trials),
      next_(first_guess > 0 && std::isfinite(first_guess) ? first_guess : 1.0) {
  capacity_.objective = objective_.text;
}

bool CapacitySearch::done() const {
  if (capacity_.trials.size() >= static_cast<size_t>(std::max(max_trials_, 0))) return true;
  return low_ > 0 && high_ > 0 && high_ - low_ <= precision_ * low_;
}

double CapacitySearch::NextRate() const { return next_; }

void CapacitySearch::Report(double value_ms, bool failed) {
  const bool within =
      objective_.inclusive ? value_ms <= objective_.bound_ms : value_ms < objective_.bound_ms;  // NaN: false
  const bool kept = within && !failed;
  capacity_.trials.push_back({next_, value_ms, kept});
  if (kept) {
    low_ = next_;
  } else {
    high_ = next_;
  }
  if (high_ < 0) {
    next_ = low_ * 2;
  } else if (low_ <= 0) {
    next_ = high_ / 2;
  } else {
    next_ = (low_ + high_) / 2;
  }
}

Capacity CapacitySearch::Result() const {
  Capacity capacity = capacity_;
  capacity.requests_per_s = low_;
  return capacity;
}

}  // namespace photovec::experiment
