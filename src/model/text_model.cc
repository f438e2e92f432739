// SPDX-License-Identifier: MIT
#include "model/text_model.h"

#include <cmath>
#include <utility>

#include "model/model_config.h"
#include "model/safetensors.h"
#include "model/tensor_loader.h"

namespace photovec::model {
namespace {

TextWeights TakeAll(TensorLoader& loader, const TextConfig& config, const TextNames& names) {
  const int64_t d = config.hidden_size;
  const int64_t e = config.projection_dim;
  const std::string prefix(names.prefix);
  const auto at = [&](std::string_view file, std::string canonical) {
    return TensorName{prefix + std::string(file), std::move(canonical)};
  };
  TextWeights weights;
  loader.Take(at(names.token_embedding, "token_embedding"), {config.vocabulary_size, d},
              weights.token_embedding);
  loader.Take(at(names.position, "position"), {config.max_tokens, d}, weights.position);
  loader.TakeBlocks(config, names.block, prefix, weights.blocks);
  loader.TakeNorm(at(names.final_norm, "final_norm"), d, weights.final_norm);
  if (e > 0) {
    const TensorName projection{std::string(names.projection), "projection.weight"};
    if (names.projection_transposed) {
      loader.TakeTransposed(projection, e, d, weights.projection.weight);
    } else {
      loader.Take(projection, {e, d}, weights.projection.weight);
    }
    if (config.has_projection_bias) {
      loader.Take({std::string(names.projection_bias), "projection.bias"}, {e}, weights.projection.bias);
    }
  }
  return weights;
}

/// Both numbers are scalars, and the scale is stored as its logarithm.
Result<ScoreRule> TakeScoreRule(TensorLoader& loader, const ModelConfig& config) {
  ScoreRule rule;
  if (config.logit_scale.empty()) return rule;
  rule.scale = std::exp(loader.TakeScalar(std::string(config.logit_scale)));
  rule.sigmoid = !config.logit_bias.empty();
  if (rule.sigmoid) rule.bias = loader.TakeScalar(std::string(config.logit_bias));
  if (!loader.status().ok() || std::isfinite(rule.scale)) return rule;
  return Status(Code::kInvalidRequest, loader.checkpoint().WhereIs(config.logit_scale) + ": tensor '" +
                                           std::string(config.logit_scale) +
                                           "' is a logarithm whose exponential is no number");
}

Status CheckWidths(const std::string& model_dir, const ModelConfig& config) {
  if (!config.vision || config.vision->embedding_dim() == config.text->embedding_dim()) return Status::Ok();
  return {Code::kInvalidRequest,
          model_dir + "/" + config.file + ": vectors of images have " +
              std::to_string(config.vision->embedding_dim()) + " numbers, those of texts " +
              std::to_string(config.text->embedding_dim()) + "; both towers must end in one space"};
}

}  // namespace

Result<std::optional<TextModel>> LoadTextModel(const std::string& model_dir) {
  ASSIGN_OR_RETURN(const ModelConfig config, LoadModelConfig(model_dir));
  if (!config.text) return std::optional<TextModel>();
  ASSIGN_OR_RETURN(const auto checkpoint, OpenCheckpoint(model_dir, config));
  const TextNames& names = PickNames(*checkpoint, config.text_names, *config.text);
  // A folder that somebody cut down to its image tower, config and all else left as it was.
  if (!checkpoint->Has(std::string(names.prefix) + std::string(names.token_embedding))) {
    return std::optional<TextModel>();
  }
  RETURN_IF_ERROR(CheckWidths(model_dir, config));
  TextModel model;
  model.config = *config.text;
  TensorLoader loader(checkpoint, config.file);
  model.weights = TakeAll(loader, model.config, names);
  ASSIGN_OR_RETURN(model.score, TakeScoreRule(loader, config));
  RETURN_IF_ERROR(loader.status());
  ASSIGN_OR_RETURN(model.token_storage, checkpoint->MapAlone(model.weights.token_embedding));
  model.weights_sha256 = loader.HexDigest();
  model.storage = loader.storage();
  return std::optional(std::move(model));
}

}  // namespace photovec::model
