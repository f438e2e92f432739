// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "encode/encoder.h"

namespace photovec::encode {

/// Whether SubmitTexts() may take this batch.
/// \param vocabulary ids are below it.
/// Errors: kInternal naming what is wrong; from a model without a text tower always.
inline Status CheckTextBatch(const EncoderInfo& info, int vocabulary, std::span<const TokenIds> texts,
                             std::span<const float> out) {
  const auto wrong = [](const std::string& what) {
    return Status(Code::kInternal, "a batch of texts: " + what);
  };
  if (!info.text) return wrong("this encoder has no text tower");
  const TextInfo& text = *info.text;
  if (texts.empty() || texts.size() > static_cast<size_t>(text.max_batch)) {
    return wrong(std::to_string(texts.size()) + " of them, 1 to " + std::to_string(text.max_batch) +
                 " expected");
  }
  if (out.size() != texts.size() * static_cast<size_t>(info.embedding_dim)) {
    return wrong("room for " + std::to_string(out.size()) + " floats, " + std::to_string(texts.size()) +
                 " x " + std::to_string(info.embedding_dim) + " expected");
  }
  const auto most = static_cast<size_t>(text.max_tokens);
  const size_t least = text.causal ? 1 : most;
  size_t total = 0;
  for (const TokenIds ids : texts) {
    if (ids.size() < least || ids.size() > most) {
      return wrong("one of " + std::to_string(ids.size()) + " tokens, " + std::to_string(least) + " to " +
                   std::to_string(most) + " expected");
    }
    total += ids.size();
    const auto known = [&](int32_t id) { return id >= 0 && id < vocabulary; };
    if (const auto bad = std::ranges::find_if_not(ids, known); bad != ids.end()) {
      return wrong("token " + std::to_string(*bad) + " of a vocabulary of " + std::to_string(vocabulary));
    }
  }
  if (total > static_cast<size_t>(text.max_batch_tokens)) {
    return wrong(std::to_string(total) + " tokens, " + std::to_string(text.max_batch_tokens) + " at most");
  }
  return Status::Ok();
}

}  // namespace photovec::encode
