// SPDX-License-Identifier: MIT
#include "request_log/record.h"

#include <cstddef>

namespace photovec::request_log {

int64_t ItemRecord::Micros(Stage stage) const {
  const auto i = static_cast<size_t>(stage);
  if (stage_us[i] >= 0) return stage_us[i];
  const bool upload = kind == ItemKind::kImage && !by_reference;
  if (upload && (stage == Stage::kAdmitWait || stage == Stage::kFetch)) return -1;
  const auto borders = BordersOf(kind, stage);
  if (!borders || At(borders->begin) < 0 || At(borders->end) < 0) return -1;
  return At(borders->end) - At(borders->begin);
}

std::vector<StageSpan> ItemRecord::Spans() const {
  std::vector<StageSpan> spans;
  if (At(Border::kAdmitted) < 0 || At(Border::kCollected) < 0) return spans;
  for (const StageBorders& row : StagesOf(kind)) {
    if (At(row.begin) < 0) continue;
    auto next = static_cast<size_t>(row.end);
    while (at_us[next] < 0) ++next;
    spans.push_back({row.stage, At(row.begin), at_us[next]});
  }
  return spans;
}

}  // namespace photovec::request_log
