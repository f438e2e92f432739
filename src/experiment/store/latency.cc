// SPDX-License-Identifier: MIT
#include <cmath>
#include <string>

#include "experiment/counter_random.h"
#include "experiment/parse.h"
#include "experiment/store/object_store.h"

namespace photovec::experiment {
namespace {

constexpr double kNormalP95 = 1.6448536269514722;  // the 95th percentile of the standard normal distribution

Status BadLatency(std::string_view text, std::string_view why) {
  return {Code::kInvalidRequest,
          "latency '" + std::string(text) + "': " + std::string(why) +
              "; write p50=40ms,p95=180ms (median and 95th percentile), or 0 for none"};
}

}  // namespace

Result<LatencySpec> ParseLatency(std::string_view text) {
  if (text == "0") return LatencySpec{};
  LatencySpec spec;
  bool has_p50 = false;
  bool has_p95 = false;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    const size_t equals = part.find('=');
    const std::string_view key = part.substr(0, equals);
    const bool p50 = key == "p50";
    if (equals == std::string_view::npos || (!p50 && key != "p95")) {
      return BadLatency(text, "'" + std::string(part) + "' is neither p50=... nor p95=...");
    }
    if (p50 ? has_p50 : has_p95) return BadLatency(text, std::string(key) + " is given twice");
    const Result<double> ms = ParseMilliseconds(part.substr(equals + 1));
    if (!ms.ok()) return BadLatency(text, ms.status().message());
    (p50 ? spec.p50_ms : spec.p95_ms) = *ms;
    (p50 ? has_p50 : has_p95) = true;
  }
  if (!has_p50 || !has_p95) return BadLatency(text, "it needs both p50 and p95");
  if (spec.p50_ms <= 0) return BadLatency(text, "p50 must be above 0");
  if (spec.p95_ms < spec.p50_ms) return BadLatency(text, "p95 must not be below p50");
  return spec;
}

double InjectedLatencyMs(const LatencySpec& spec, uint64_t seed, uint64_t n) {
  if (spec.p50_ms <= 0) return 0;
  const double sigma = std::log(spec.p95_ms / spec.p50_ms) / kNormalP95;
  return spec.p50_ms * std::exp(sigma * RandomNormal(seed, RandomUse::kLatency, n));
}

}  // namespace photovec::experiment
