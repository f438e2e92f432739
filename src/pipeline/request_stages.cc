// SPDX-License-Identifier: MIT
#include "pipeline/request_stages.h"

#include <algorithm>

namespace photovec::pipeline {

RequestStageTimes MeasureRequest(const RequestResult& result) {
  TimePoint last_preprocessed = TimePoint::min();
  TimePoint first_vector = TimePoint::max();
  TimePoint encode_start = TimePoint::max();
  TimePoint encode_end = TimePoint::min();
  for (const ItemResult& item : result.items) {
    const StageTimes& times = item.times;
    if (times.Has(Border::kPreprocessEnd)) {
      last_preprocessed = std::max(last_preprocessed, times.At(Border::kPreprocessEnd));
    }
    if (item.status.ok()) first_vector = std::min(first_vector, times.At(Border::kCollected));
    if (times.Has(Border::kEncodeEnd)) {
      encode_start = std::min(encode_start, times.At(Border::kEncodeStart));
      encode_end = std::max(encode_end, times.At(Border::kEncodeEnd));
    }
  }
  const auto since_open = [&](TimePoint at) {
    return at == TimePoint::min() || at == TimePoint::max() ? -1 : MicrosBetween(result.started, at);
  };
  RequestStageTimes stages;
  stages.us = {since_open(last_preprocessed), since_open(first_vector),
               encode_end == TimePoint::min() ? -1 : MicrosBetween(encode_start, encode_end),
               MicrosBetween(result.started, result.finished)};
  return stages;
}

}  // namespace photovec::pipeline
