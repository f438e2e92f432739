// SPDX-License-Identifier: MIT
#include "request_log/record.h"

#include <cstddef>

namespace photovec::request_log {

int64_t ItemRecord::Micros(Stage stage) const {
  const auto i = static_cast<size_t>(stage);
  if (stage_us[i] >= 0) return stage_us[i];
  if (!by_reference && (stage == Stage::kAdmitWait || stage == Stage::kFetch)) return -1;
  return at_us[i] >= 0 && at_us[i + 1] >= 0 ? at_us[i + 1] - at_us[i] : -1;
}

std::vector<StageSpan> ItemRecord::Spans() const {
  std::vector<StageSpan> spans;
  if (At(Border::kAdmitted) < 0 || At(Border::kCollected) < 0) return spans;
  for (size_t i = 0; i < kStageCount; ++i) {
    if (at_us[i] < 0) continue;
    size_t next = i + 1;
    while (at_us[next] < 0) ++next;
    spans.push_back({static_cast<Stage>(i), at_us[i], at_us[next]});
  }
  return spans;
}

}  // namespace photovec::request_log
