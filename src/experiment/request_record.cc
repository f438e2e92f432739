// SPDX-License-Identifier: MIT
#include "experiment/request_record.h"

namespace photovec::experiment {

int64_t ItemRecord::Micros(Stage stage) const {
  const auto i = static_cast<size_t>(stage);
  if (stage_us[i] >= 0) return stage_us[i];
  if (!by_reference && (stage == Stage::kAdmitWait || stage == Stage::kFetch)) return -1;
  return at_us[i] >= 0 && at_us[i + 1] >= 0 ? at_us[i + 1] - at_us[i] : -1;
}

}  // namespace photovec::experiment
