// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/tensor_view.h"
#include "model/config.h"
#include "model/vision_model.h"

namespace photovec::model {

/// How a model turns the cosine of an image and a text into a probability.
struct ScoreRule {
  float scale = 1;       ///< exp(logit_scale)
  float bias = 0;        ///< logit_bias; SigLIP's
  bool sigmoid = false;  ///< of each pair alone (SigLIP), or softmax over the texts (CLIP)
};

/// All tensors of a text tower, shapes already checked against the config.
struct TextWeights {
  TensorView token_embedding;  ///< [V, D]; up to 1.2 GB: rows are gathered from it, it is never copied
  TensorView position;         ///< [max_tokens, D]
  std::vector<Block> blocks;
  Norm final_norm;
  Linear projection;  ///< [projection_dim, D], or absent
};

/// A loaded text tower. Encoders pack everything but token_embedding, whose mapping they keep alive through
/// `token_storage` for as long as they serve; `storage` may go, as a VisionModel's. The mapping is one of its
/// own, of the table's pages alone and without read-ahead: in memory are the rows that texts have used, as
/// long as the system has room for them. It survives that the file is renamed over or removed, but not that
/// somebody truncates it.
struct TextModel {
  TextConfig config;
  TextWeights weights;
  std::shared_ptr<const void> storage;
  std::shared_ptr<const void> token_storage;  ///< what token_embedding points into
  std::string weights_sha256;                 ///< as VisionModel's
  ScoreRule score;
};

/// Loads the text tower of a model folder, if it has one: nullopt for a folder of an image tower alone (also
/// where the config has a text tower and the checkpoint does not), and for text towers of kinds that are not
/// read (TIPSv2's, language models of HuggingFace in open_clip's). A tower alone
/// (CLIPTextModelWithProjection) loads, too. Blocking: reads every byte once, for the digest.
/// Errors: as LoadVisionModel; kInvalidRequest when both towers do not end in vectors of one size.
Result<std::optional<TextModel>> LoadTextModel(const std::string& model_dir);

}  // namespace photovec::model
