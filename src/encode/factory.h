// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "encode/encoder.h"
#include "model/text_model.h"
#include "model/vision_model.h"

namespace photovec::encode {

/// Makes an encoder. Packs what it needs: `model` may be dropped (and its files unmapped) afterwards, and so
/// may `text`, whose token_storage is kept.
/// \param text the same folder's text tower; null: images alone.
/// Errors: kInvalidRequest for options that this machine cannot do (bf16 without the instructions, more
/// stream threads than CPUs when pinning); kUnavailable without memory.
Result<std::unique_ptr<Encoder>> CreateEncoder(Backend backend, const model::VisionModel& model,
                                               const model::TextModel* text, const EncoderOptions& options);

/// "auto", "f32", "bf16", "f16" or "fp8". Errors: kInvalidRequest listing these.
Result<Precision> ParsePrecision(const std::string& text);

}  // namespace photovec::encode
