// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "api/embed_service.h"
#include "api/errors.h"
#include "api/input.h"
#include "base/json/writer.h"
#include "base/result.h"
#include "pipeline/pipeline.h"

namespace photovec::api {

/// A JSON body of POST /score.
struct ScoreCall {
  pipeline::ModelView model;
  std::vector<Input> inputs;  ///< images first, then texts
  size_t images = 0;
};
/// `{"images": [...], "texts": [...], "model"}`, strictly; both lists have at least one entry.
/// \param model the one that the head names; may be empty.
/// Errors: kInvalidRequest; kNotFound (no such model).
Result<ScoreCall, ApiError> ParseScore(std::string_view text, std::string_view model,
                                       const EmbedService& service);

/// {"function":"softmax","scale":100,"bias":0}
void WriteScoreRule(json::Writer& writer, const pipeline::ScoreRule& rule);

/// The model's probabilities of one image, one for each text: softmax(scale * cosine + bias) over the texts,
/// or the sigmoid of each. A text whose cosine is NaN has NaN, and no part in the others' softmax.
std::vector<float> Probabilities(const pipeline::ScoreRule& rule, std::span<const float> cosines);

}  // namespace photovec::api
