// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "base/result.h"
#include "encode/encoder.h"
#include "model/text_model.h"
#include "model/vision_model.h"

namespace photovec::encode {

/// The oracle of every test: both towers in plain loops, f32 values with f64 sums, no tricks, slow (a second
/// or more an image for ViT-B/32). Each image and each text is computed alone.
/// Options: `streams` (0: 1), `text_streams` and `max_batch` (0: 32) are obeyed, threads_per_stream must be 0
/// or 1.
/// \param text null: images alone.
/// Errors: kInvalidRequest for bf16 or more threads.
/// Sources: arXiv:2010.11929 §3.1 (the transformer), arXiv:2103.00020 §2.4 (CLIP's pre-norm and projection);
/// the functions of transformers that are named where they are followed.
Result<std::unique_ptr<Encoder>> CreateReferenceEncoder(const model::VisionModel& model,
                                                        const model::TextModel* text,
                                                        const EncoderOptions& options);

}  // namespace photovec::encode
