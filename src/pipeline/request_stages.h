// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "pipeline/request.h"

namespace photovec::pipeline {

/// Times that belong to a request as a whole: they overlap, unlike the stages of an image. Each beside the
/// row of the replaced system that it corresponds to: docs/metrics.md.
enum class RequestStage : uint8_t {
  kLoadDecode,   ///< from Open() until the slowest image is preprocessed
  kFirstVector,  ///< from Open() until the first vector lies in the request
  kEmbed,        ///< from the first image's encode start to the last one's encode end
  kTotal,        ///< from Open() until the last result lies in the request
};
inline constexpr int kRequestStageCount = 4;

/// The name that metrics, logs, headers and reports use.
constexpr std::string_view RequestStageName(RequestStage stage) {
  constexpr std::array<std::string_view, kRequestStageCount> kNames = {"load_decode", "first_vector", "embed",
                                                                       "total"};
  return kNames[static_cast<size_t>(stage)];
}

/// Microseconds of each RequestStage; -1 where no image got that far.
struct RequestStageTimes {
  std::array<int64_t, kRequestStageCount> us{};
  int64_t Micros(RequestStage stage) const { return us[static_cast<size_t>(stage)]; }
};

RequestStageTimes MeasureRequest(const RequestResult& result);

}  // namespace photovec::pipeline
