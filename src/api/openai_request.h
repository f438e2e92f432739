// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "api/embed_reply.h"
#include "api/errors.h"

namespace photovec::api {

/// A request to POST /v1/embeddings.
struct EmbeddingsCall {
  EmbedCall call;
  bool base64 = false;                ///< encoding_format
  std::optional<int64_t> dimensions;  ///< 0 counts as not given, as infinity's clients send it
};

struct EmbeddingsParse {
  EmbeddingsCall parsed;
  ApiError error;  ///< status not OK: `parsed` is worthless
};

/// Reads OpenAI's form {"model","input","encoding_format","dimensions","user"} and its image dialects:
/// NV-CLIP and NIM (data URLs and <img> tags as strings), infinity ({"modality":"image"}), Jina ({"image":
/// ...} objects), vLLM (`messages` with image_url parts, one conversation or a list of them). Fields that
/// mean nothing here are ignored, as OpenAI's own servers do. Blocking; any thread.
EmbeddingsParse ParseEmbeddings(std::string_view text, int max_images);

}  // namespace photovec::api
