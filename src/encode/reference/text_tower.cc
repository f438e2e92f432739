// SPDX-License-Identifier: MIT
#include "encode/reference/text_tower.h"

#include <span>

namespace photovec::encode::reference {

TextTower::TextTower(const model::TextModel& model)
    : config_(model.config),
      token_embedding_(model.weights.token_embedding),
      token_storage_(model.token_storage),
      position_(ToMatrix(model.weights.position, config_.max_tokens, config_.hidden_size)),
      blocks_(model.config, model.weights.blocks),
      final_norm_(ToNorm(model.weights.final_norm)) {
  if (config_.projection_dim > 0) {
    projection_ = ToLinear(model.weights.projection, config_.projection_dim, config_.hidden_size);
  }
  weight_bytes_ =
      blocks_.weight_bytes() + (projection_.weight.values.size() + position_.values.size()) * sizeof(float);
}

std::vector<float> TextTower::Embed(TokenIds ids) const {
  Matrix x(static_cast<int>(ids.size()), config_.hidden_size);
  std::vector<float> row(static_cast<size_t>(x.columns));
  for (int r = 0; r < x.rows; ++r) {
    token_embedding_.CopyRowTo(ids[static_cast<size_t>(r)], row);
    for (int c = 0; c < x.columns; ++c) x.at(r, c) = row[static_cast<size_t>(c)] + position_.at(r, c);
  }
  blocks_.Run(x, config_.causal, nullptr);
  Matrix pooled = Apply(final_norm_, x.Row(x.rows - 1), config_.layer_norm_eps);
  if (config_.projection_dim > 0) pooled = Apply(projection_, pooled);
  return pooled.values;
}

}  // namespace photovec::encode::reference
