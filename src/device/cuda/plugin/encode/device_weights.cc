// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/encode/device_weights.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>

#include "base/tensor_view.h"
#include "model/fold/e4m3.h"
#include "model/fold/fold.h"

namespace photovec::device {
namespace {

constexpr int kDepthStep = 64;

constexpr size_t kTokenRowsAtOnce = 4096;

// Queries and keys of a head side by side with room for its values, as the product's rows are (fold.h).
std::vector<float> BiasByHead(const model::FoldedBlock& folded, size_t head_dim) {
  std::vector<float> bias(3 * folded.q_bias.size());
  for (size_t i = 0; i < folded.q_bias.size(); ++i) {
    const size_t at = i / head_dim * 3 * head_dim + i % head_dim;
    bias[at] = folded.q_bias[i];
    if (!folded.k_bias.empty()) bias[at + head_dim] = folded.k_bias[i];
  }
  return bias;
}

// The same of keys and values alone.
std::vector<float> KeyBiasByHead(const std::vector<float>& k_bias, size_t head_dim) {
  std::vector<float> bias(2 * k_bias.size());
  for (size_t i = 0; i < k_bias.size(); ++i) bias[i / head_dim * 2 * head_dim + i % head_dim] = k_bias[i];
  return bias;
}

// The rows of `second` behind those of `first`.
std::vector<float> Joined(std::vector<float> first, const std::vector<float>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

// Rounds to the element; a weight beyond f16's range would silently become infinity.
Status TowerWeights::Convert(const std::vector<float>& values) {
  staging_.resize(values.size());
  bool fits = true;
  for (size_t i = 0; i < values.size(); ++i) {
    staging_[i] = element_ == model::Element::kBF16 ? FloatToBFloat16(values[i]) : FloatToHalf(values[i]);
    fits = fits && std::abs(values[i]) <= 65504.0F;
  }
  if (element_ == model::Element::kBF16 || fits) return Status::Ok();
  return {Code::kInvalidRequest, "the model's weights exceed what f16 can hold: use --precision bf16"};
}

Status TowerWeights::Allocate(size_t bytes) {
  ASSIGN_OR_RETURN(arena_, DeviceArena::Create(bytes));
  return Status::Ok();
}

// Every tensor on its own step of the arena; one step more each is more than enough.
size_t TowerWeights::BlockBytes(size_t blocks_count) const {
  const auto d = static_cast<size_t>(transformer_.hidden_size);
  const auto f = static_cast<size_t>(transformer_.mlp_size);
  const auto g = static_cast<size_t>(mlp_columns());
  const auto e = static_cast<size_t>(embedding_dim_);
  const size_t element = model::ElementBytes(element_);
  const size_t block = element * (4 * d * d + d * f + d * g + 4 * d) + sizeof(float) * (2 * d + g);
  // A byte less for each weight in fp8: of the last block those of keys and values.
  const size_t saved =
      blocks_count == 0 || !fp8_ ? 0 : (blocks_count - 1) * (4 * d * d + d * f + d * g) + 2 * d * d;
  const size_t scales = fp8_ ? blocks_count * sizeof(float) * (5 * d + g) : 0;
  const size_t rest = element * (e * d + d * static_cast<size_t>(patch_depth_)) + sizeof(float) * (8 * d + e);
  constexpr size_t kTensors = 16;
  return blocks_count * block - saved + scales + rest +
         (blocks_count + 1) * kTensors * DeviceArena::kAlignment;
}

Result<DeviceMatrix> TowerWeights::Matrix(const std::vector<float>& values) {
  DeviceMatrix matrix;
  ASSIGN_OR_RETURN(matrix.data, Elements(values));
  return matrix;
}

Result<DeviceMatrix> TowerWeights::Fp8Matrix(const std::vector<float>& values, int rows) {
  const model::E4M3Rows quantized = model::QuantizeToE4M3(values, static_cast<size_t>(rows));
  DeviceMatrix matrix;
  auto* codes = arena_.Take<uint8_t>(quantized.codes.size());
  if (codes == nullptr) return Status(Code::kInternal, "the arena of the weights was made too small");
  CUDA_OK(cudaMemcpy(codes, quantized.codes.data(), quantized.codes.size(), cudaMemcpyHostToDevice));
  matrix.data = codes;
  ASSIGN_OR_RETURN(matrix.scales, Floats(quantized.scales));
  return matrix;
}

Result<const void*> TowerWeights::Elements(const std::vector<float>& values) {
  if (element_ == model::Element::kF32) {
    ASSIGN_OR_RETURN(const float* floats, Floats(values));
    return static_cast<const void*>(floats);
  }
  RETURN_IF_ERROR(Convert(values));
  auto* to = arena_.Take<uint16_t>(values.size());
  if (to == nullptr) return Status(Code::kInternal, "the arena of the weights was made too small");
  CUDA_OK(cudaMemcpy(to, staging_.data(), values.size() * 2, cudaMemcpyHostToDevice));
  return static_cast<const void*>(to);
}

Result<const float*> TowerWeights::Floats(const std::vector<float>& values) {
  auto* to = arena_.Take<float>(values.size());
  if (to == nullptr) return Status(Code::kInternal, "the arena of the weights was made too small");
  CUDA_OK(cudaMemcpy(to, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice));
  return static_cast<const float*>(to);
}

Result<Affine> TowerWeights::Norm(const model::Norm& norm) {
  Affine affine;
  ASSIGN_OR_RETURN(affine.gamma, Floats(norm.gamma.ToFloats()));
  ASSIGN_OR_RETURN(affine.beta, Floats(norm.beta.ToFloats()));
  return affine;
}

Status TowerWeights::Upload(const model::FoldedBlock& folded, bool last, DeviceBlock& block) {
  const int d = transformer_.hidden_size;
  const auto hd = static_cast<size_t>(transformer_.head_dim());
  const auto matrix = [&](const std::vector<float>& values, int rows, bool fp8) {
    return fp8 ? Fp8Matrix(values, rows) : Matrix(values);
  };
  ASSIGN_OR_RETURN(block.qkv, matrix(folded.qkv_weight, last ? 2 * d : 3 * d, fp8_));
  if (last) {
    if (!folded.q_weight.empty()) {
      ASSIGN_OR_RETURN(block.q, Matrix(folded.q_weight));
    }
    ASSIGN_OR_RETURN(block.q_bias, Elements(folded.q_bias));
    if (!folded.k_bias.empty()) {
      ASSIGN_OR_RETURN(block.qkv_bias, Elements(KeyBiasByHead(folded.k_bias, hd)));
    }
    tail_gated_ = !folded.up.weight.empty();
  } else {
    ASSIGN_OR_RETURN(block.qkv_bias, Elements(BiasByHead(folded, hd)));
  }
  const int columns = transformer_.mlp_size * (folded.up.weight.empty() ? 1 : 2);
  ASSIGN_OR_RETURN(block.out, matrix(folded.out.weight, d, fp8_ && !last));
  ASSIGN_OR_RETURN(block.fc1, matrix(Joined(folded.fc1.weight, folded.up.weight), columns, fp8_ && !last));
  ASSIGN_OR_RETURN(block.fc2, matrix(folded.fc2.weight, d, fp8_ && !last));
  ASSIGN_OR_RETURN(block.out_bias, Floats(folded.out.bias));
  ASSIGN_OR_RETURN(block.fc1_bias, Floats(Joined(folded.fc1.bias, folded.up.bias)));
  ASSIGN_OR_RETURN(block.fc2_bias, Floats(folded.fc2.bias));
  return Status::Ok();
}

Status TowerWeights::UploadProjection(const model::FoldedLinear& folded) {
  ASSIGN_OR_RETURN(projection, Matrix(folded.weight));
  ASSIGN_OR_RETURN(projection_bias, Floats(folded.bias));
  return Status::Ok();
}

ImageWeights::ImageWeights(const model::VisionConfig& config, model::Element element, bool fp8)
    : TowerWeights(config, config.embedding_dim(), element, fp8), config_(config) {
  patch_depth_ = (config.patch_size * config.patch_size * 3 + kDepthStep - 1) / kDepthStep * kDepthStep;
}

Result<std::unique_ptr<ImageWeights>> ImageWeights::Create(const model::VisionModel& model,
                                                           const PixelNormalization& normalization,
                                                           model::Element element, bool fp8) {
  std::unique_ptr<ImageWeights> weights(new ImageWeights(model.config, element, fp8));
  RETURN_IF_ERROR(weights->Allocate(weights->TotalBytes()));
  RETURN_IF_ERROR(weights->Upload(model, normalization));
  weights->staging_ = {};
  return weights;
}

size_t ImageWeights::TotalBytes() const {
  const auto d = static_cast<size_t>(config_.hidden_size);
  const size_t blocks_count =
      static_cast<size_t>(config_.layers) + (config_.pooling == model::Pooling::kAttention ? 1 : 0);
  const auto rows = static_cast<size_t>(config_.tokens());
  constexpr size_t kTensors = 4;
  return BlockBytes(blocks_count) + kTensors * DeviceArena::kAlignment +
         sizeof(float) * rows * (d + static_cast<size_t>(config_.head_dim()));
}

Status ImageWeights::Upload(const model::VisionModel& model, const PixelNormalization& normalization) {
  const auto d = static_cast<size_t>(config_.hidden_size);
  const model::FoldedPatch folded = model::FoldPatch(model, normalization, element_);
  const size_t depth = folded.weight.size() / d;
  const auto padded_depth = static_cast<size_t>(patch_depth_);
  std::vector<float> padded(d * padded_depth);
  for (size_t n = 0; n < d; ++n) {
    std::copy_n(folded.weight.data() + n * depth, depth, padded.data() + n * padded_depth);
  }
  ASSIGN_OR_RETURN(patch, Matrix(padded));
  pixel_scale = folded.pixel_scale;
  ASSIGN_OR_RETURN(position, Floats(folded.position));
  if (!folded.prefix_rows.empty()) {
    ASSIGN_OR_RETURN(prefix_rows, Floats(folded.prefix_rows));
  }
  if (config_.has_pre_norm) {
    ASSIGN_OR_RETURN(pre_norm, Norm(model.weights.pre_norm));
  }
  const bool rotary = config_.positions == model::Positions::kRotary;
  if (rotary) {
    const model::RotaryTable table = model::MakeRotaryTable(config_);
    ASSIGN_OR_RETURN(cosine, Floats(table.cos));
    ASSIGN_OR_RETURN(sine, Floats(table.sin));
  }
  pool = config_.pooling == model::Pooling::kAttention;
  const size_t layers = model.weights.blocks.size();
  blocks.resize(layers + (pool ? 1 : 0));
  for (size_t i = 0; i < layers; ++i) {
    const bool last = i + 1 == blocks.size();
    RETURN_IF_ERROR(TowerWeights::Upload(
        model::FoldBlock(config_, model.weights.blocks[i], {.split_query = last, .rotary = rotary}), last,
        blocks[i]));
  }
  if (pool) {
    RETURN_IF_ERROR(TowerWeights::Upload(model::FoldPool(model), true, blocks.back()));
    norm_before_tail = config_.has_post_norm;
  }
  end_norm = config_.has_post_norm && !pool;
  if (config_.projection_dim > 0) return UploadProjection(model::FoldProjection(model));
  if (end_norm) {
    ASSIGN_OR_RETURN(end_affine, Norm(model.weights.post_norm));
  }
  return Status::Ok();
}

Result<std::unique_ptr<TextWeights>> TextWeights::Create(const model::TextModel& model,
                                                         model::Element element) {
  std::unique_ptr<TextWeights> weights(new TextWeights(model.config, element));
  const auto d = static_cast<size_t>(model.config.hidden_size);
  const size_t tables =
      d * (static_cast<size_t>(model.config.vocabulary_size) * model::ElementBytes(element) +
           static_cast<size_t>(model.config.max_tokens) * sizeof(float));
  RETURN_IF_ERROR(weights->Allocate(weights->BlockBytes(static_cast<size_t>(model.config.layers)) + tables +
                                    2 * DeviceArena::kAlignment));
  RETURN_IF_ERROR(weights->Upload(model));
  weights->staging_ = {};
  return weights;
}

Status TextWeights::UploadTokens(const TensorView& table) {
  const auto d = static_cast<size_t>(config_.hidden_size);
  const auto count = static_cast<size_t>(config_.vocabulary_size);
  const size_t element = model::ElementBytes(element_);
  auto* to = arena_.Take<uint8_t>(count * d * element);
  if (to == nullptr) return {Code::kInternal, "the arena of the weights was made too small"};
  std::vector<float> rows;
  for (size_t first = 0; first < count; first += kTokenRowsAtOnce) {
    const size_t some = std::min(kTokenRowsAtOnce, count - first);
    rows.resize(some * d);
    for (size_t i = 0; i < some; ++i) {
      table.CopyRowTo(static_cast<int64_t>(first + i), std::span(rows).subspan(i * d, d));
    }
    const void* from = rows.data();
    if (element_ != model::Element::kF32) {
      RETURN_IF_ERROR(Convert(rows));
      from = staging_.data();
    }
    CUDA_OK(cudaMemcpy(to + first * d * element, from, rows.size() * element, cudaMemcpyHostToDevice));
  }
  token_rows = to;
  return Status::Ok();
}

Status TextWeights::Upload(const model::TextModel& model) {
  RETURN_IF_ERROR(UploadTokens(model.weights.token_embedding));
  ASSIGN_OR_RETURN(position, Floats(model.weights.position.ToFloats()));
  blocks.resize(model.weights.blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    const bool last = i + 1 == blocks.size();
    RETURN_IF_ERROR(TowerWeights::Upload(
        model::FoldBlock(config_, model.weights.blocks[i], {.split_query = last}), last, blocks[i]));
  }
  end_norm = true;
  if (config_.projection_dim > 0) return UploadProjection(model::FoldProjection(model));
  ASSIGN_OR_RETURN(end_affine, Norm(model.weights.final_norm));
  return Status::Ok();
}

}  // namespace photovec::device
