// SPDX-License-Identifier: MIT
#include "model/vision_model.h"

#include <string_view>
#include <utility>

#include "model/model_config.h"
#include "model/position_grid.h"
#include "model/safetensors.h"
#include "model/tensor_loader.h"
#include "model/weight_names.h"

namespace photovec::model {
namespace {

/// The file's name of a tensor, by its table's, and the canonical one.
class Namer {
 public:
  explicit Namer(const WeightNames& names) : names_(names) {}
  TensorName operator()(std::string_view WeightNames::*field) const {
    return Called(names_.*field, kCanonicalNames.*field);
  }
  TensorName operator()(std::string_view PoolNames::*field) const {
    return Called(names_.pool.*field, kCanonicalNames.pool.*field);
  }
  std::string prefix() const { return std::string(names_.prefix); }

 private:
  TensorName Called(std::string_view file, std::string_view canonical) const {
    return {prefix() + std::string(file), std::string(canonical)};
  }
  const WeightNames& names_;
};

TensorName Suffixed(const TensorName& stem, std::string_view suffix) {
  return {stem.file + std::string(suffix), stem.canonical + std::string(suffix)};
}

void TakePool(TensorLoader& loader, const VisionConfig& config, const WeightNames& names,
              AttentionPool& pool) {
  const int64_t d = config.hidden_size;
  const int64_t f = config.mlp_size;
  const Namer at(names);
  const std::string q = at(&PoolNames::q).canonical;
  const std::string k = at(&PoolNames::kv).canonical + "0";
  const std::string v = at(&PoolNames::kv).canonical + "1";
  loader.Take(at(&PoolNames::probe), {d}, pool.probe);
  if (!names.pool.qkv_weight.empty()) {
    loader.TakeFused({at(&PoolNames::qkv_weight).file, at(&PoolNames::qkv_bias).file, {q, k, v}}, d, d,
                     {&pool.q, &pool.k, &pool.v});
  } else {
    loader.TakeLinear(at(&PoolNames::q), d, d, pool.q);
    const std::string kv = at(&PoolNames::kv).file;
    loader.TakeFused({kv + ".weight", kv + ".bias", {k, v}}, d, d, {&pool.k, &pool.v});
  }
  loader.TakeLinear(at(&PoolNames::out), d, d, pool.out);
  loader.TakeNorm(at(&PoolNames::norm), d, pool.norm);
  loader.TakeLinear(at(&PoolNames::fc1), f, d, pool.fc1);
  loader.TakeLinear(at(&PoolNames::fc2), d, f, pool.fc2);
}

VisionWeights TakeAll(TensorLoader& loader, const VisionConfig& config, const WeightNames& names) {
  const int64_t d = config.hidden_size;
  const int64_t p = config.patch_size;
  const int64_t e = config.projection_dim;
  const Namer at(names);
  VisionWeights weights;
  loader.Take(Suffixed(at(&WeightNames::patch), ".weight"), {d, 3, p, p}, weights.patch);
  if (config.has_patch_bias) loader.Take(Suffixed(at(&WeightNames::patch), ".bias"), {d}, weights.patch_bias);
  if (config.has_class_token) loader.Take(at(&WeightNames::class_token), {d}, weights.class_token);
  if (config.register_tokens > 0) {
    loader.Take(at(&WeightNames::registers), {config.register_tokens, d}, weights.registers);
  }
  if (config.positions == Positions::kLearned) {
    const int64_t rows = config.patches() + (config.has_class_token ? 1 : 0);
    loader.Take(at(&WeightNames::position), {rows, d}, weights.position);
  }
  if (config.has_pre_norm) loader.TakeNorm(at(&WeightNames::pre_norm), d, weights.pre_norm);
  loader.TakeBlocks(config, names.block, at.prefix(), weights.blocks);
  if (config.has_post_norm) loader.TakeNorm(at(&WeightNames::post_norm), d, weights.post_norm);
  if (config.pooling == Pooling::kAttention) TakePool(loader, config, names, weights.pool);
  if (e > 0) {
    const TensorName projection{std::string(names.projection), std::string(kCanonicalNames.projection)};
    if (names.projection_transposed) {
      loader.TakeTransposed(projection, e, d, weights.projection.weight);
    } else {
      loader.Take(projection, {e, d}, weights.projection.weight);
    }
  }
  return weights;
}

/// Fits a tower to pictures of another size: its grid of positions is resampled.
void Resize(TensorLoader& loader, int image_size, GridResampling how, VisionModel& model) {
  VisionConfig& config = model.config;
  const int from = config.grid();
  config.image_size = image_size;
  TensorView& position = model.weights.position;
  if (config.grid() == from || config.positions != Positions::kLearned || !loader.status().ok()) return;
  const std::vector<float> all = position.ToFloats();
  const size_t head = config.has_class_token ? static_cast<size_t>(config.hidden_size) : 0;
  std::vector<float> resized(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(head));
  const std::vector<float> grid = ResampleGrid(std::span(all).subspan(head), from, config.grid(), how);
  resized.insert(resized.end(), grid.begin(), grid.end());
  position.shape = {config.patches() + (config.has_class_token ? 1 : 0), config.hidden_size};
  loader.Replace(std::move(resized), position);
}

}  // namespace

Result<VisionModel> LoadVisionModel(const std::string& model_dir, int image_size) {
  ASSIGN_OR_RETURN(const ModelConfig config, LoadModelConfig(model_dir));
  if (!config.vision) {
    return Status(Code::kInvalidRequest, model_dir + "/" + config.file + ": \"architectures\" is " +
                                             config.text->architecture +
                                             ": a text tower alone; take the folder of the whole model");
  }
  ASSIGN_OR_RETURN(const auto checkpoint, OpenCheckpoint(model_dir, config));
  VisionModel model;
  model.config = *config.vision;
  TensorLoader loader(checkpoint, config.file);
  loader.SetBiases({.query = config.has_query_bias, .value = config.has_value_bias});
  model.weights = TakeAll(loader, model.config, PickNames(*checkpoint, config.vision_names, model.config));
  if (image_size > 0 && config.takes_any_size()) {
    if (image_size < model.config.patch_size) {
      return Status(Code::kInvalidRequest, model_dir + ": pictures of " + std::to_string(image_size) +
                                               " pixels are smaller than one patch of " +
                                               std::to_string(model.config.patch_size));
    }
    Resize(loader, image_size, config.resampling, model);
  }
  RETURN_IF_ERROR(loader.status());
  model.weights_sha256 = loader.HexDigest();
  model.storage = loader.storage();
  return model;
}

}  // namespace photovec::model
