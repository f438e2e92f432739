// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/embed_service.h"
#include "api/errors.h"
#include "api/input.h"
#include "base/result.h"
#include "pipeline/pipeline.h"

namespace photovec::api {

/// A request to POST /v1/embeddings.
struct EmbeddingsCall {
  pipeline::ModelView model;
  std::vector<Input> inputs;
  bool base64 = false;                ///< encoding_format
  std::optional<int64_t> dimensions;  ///< 0 counts as not given, as infinity's clients send it
};

/// Reads OpenAI's form {"model","input","encoding_format","dimensions","user"} and its image dialects:
/// NV-CLIP and NIM (data URLs and <img> tags as strings), infinity ({"modality":"image"}), Jina ({"image":
/// ...} objects), vLLM (`messages` with image_url parts, one conversation or a list of them). Fields that
/// mean nothing here are ignored, as OpenAI's own servers do. Blocking; any thread.
/// Errors: kInvalidRequest; kNotFound (no such model).
Result<EmbeddingsCall, ApiError> ParseEmbeddings(std::string_view text, const EmbedService& service);

}  // namespace photovec::api
