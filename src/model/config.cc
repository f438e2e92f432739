// SPDX-License-Identifier: MIT
#include "model/config.h"

#include "model/model_config.h"

namespace photovec::model {
namespace {

/// One block's products over t tokens.
double BlockFlops(const TransformerConfig& config, double t) {
  const double d = config.hidden_size;
  const double f = config.mlp_size;
  return 8.0 * t * d * d + (config.gated_mlp ? 6.0 : 4.0) * t * d * f + 4.0 * t * t * d;
}

}  // namespace

double VisionConfig::FlopsPerImage() const {
  const double t = tokens();
  const double d = hidden_size;
  const double f = mlp_size;
  const double patch = 2.0 * patches() * 3.0 * patch_size * patch_size * d;
  // Keys and values of all rows; query, attention, output and MLP of one.
  const double pool =
      pooling == Pooling::kAttention ? 4.0 * t * d * d + 4.0 * t * d + 4.0 * d * d + 4.0 * d * f : 0.0;
  return patch + layers * BlockFlops(*this, t) + pool + 2.0 * d * projection_dim;
}

double TextConfig::FlopsPerText(int tokens) const {
  return layers * BlockFlops(*this, tokens) + 2.0 * hidden_size * projection_dim;
}

Result<VisionConfig> ParseConfig(std::string_view json_text) {
  ASSIGN_OR_RETURN(const ModelConfig model, ParseModelConfig(json_text));
  if (model.vision) return *model.vision;
  return Status(Code::kInvalidRequest, "\"architectures\" is " + model.text->architecture +
                                           ": a text tower alone; take the folder of the whole model");
}

}  // namespace photovec::model
