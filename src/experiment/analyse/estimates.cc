// SPDX-License-Identifier: MIT
#include "experiment/analyse/estimates.h"

#include <array>
#include <cstdint>

namespace photovec::experiment {
namespace {

constexpr auto kMeanRows = std::to_array<MeanRow>({
    {"cpu", Unit::kShare, Better::kNeither, &VariantFigures::machine_cpu, true},
    {"cpu_server", Unit::kShare, Better::kNeither, &VariantFigures::server_cpu, true},
    {"gpu", Unit::kShare, Better::kNeither, &VariantFigures::gpu, true},
    {"streams", Unit::kShare, Better::kNeither, &VariantFigures::streams_busy, true},
    {"images_per_s", Unit::kPerSecond, Better::kHigher, &VariantFigures::images_per_s, false},
    {"requests_per_s", Unit::kPerSecond, Better::kHigher, &VariantFigures::requests_per_s, false},
    {"cpu_ms_per_image", Unit::kMilliseconds, Better::kLower, &VariantFigures::cpu_ms_per_image, false},
});

}  // namespace

std::span<const MeanRow> MeanRows() { return kMeanRows; }

VariantEstimates EstimateVariant(const VariantFigures& figures, uint64_t seed) {
  // Sequences of random numbers that have nothing to do with each other: one for each table.
  constexpr uint64_t kTables = 16;
  const uint64_t first = seed * kTables;
  const size_t client_row = figures.rows.size() - 1;
  std::vector<const Figures*> server_rows;
  for (size_t i = 0; i < client_row; ++i) server_rows.push_back(&figures.rows[i]);
  const Figures* client = &figures.rows[client_row];
  VariantEstimates estimates;
  estimates.stages = BootstrapQuantiles(server_rows, figures.requests, kQuantiles, first);
  auto of_client = BootstrapQuantiles({&client, 1}, figures.client_requests, kQuantiles, first + 1);
  estimates.stages.push_back(std::move(of_client[0]));
  for (size_t i = 0; i < kMeanRows.size(); ++i) {
    estimates.means.push_back(BootstrapMean(figures.*kMeanRows[i].figures, figures.seconds, first + 2 + i));
  }
  return estimates;
}

Cell MakeCell(const Estimate& estimate) {
  Cell cell;
  cell.samples = estimate.samples;
  cell.value = estimate.value;
  if (cell.samples > 0) cell.interval = ConfidenceInterval(estimate.resampled);
  return cell;
}

Change MakeChange(const Estimate& base, const Estimate& other) {
  Change change;
  change.rate = ChangeRate(base, other).value_or(0);
  change.interval = ChangeInterval(base, other);
  if (!change.interval) return change;
  if (change.interval->SpansZero()) {
    change.verdict = Verdict::kSame;
  } else {
    change.verdict = change.interval->low > 0 ? Verdict::kHigher : Verdict::kLower;
  }
  return change;
}

}  // namespace photovec::experiment
