// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/encode/device_weights.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/tensor_view.h"
#include "model/fold/e4m3.h"
#include "model/fold/fold.h"

namespace photovec::device {
namespace {

constexpr int kDepthStep = 64;

// Rounds to the element; a weight beyond f16's range would silently become infinity.
bool Convert(const std::vector<float>& values, model::Element element, std::vector<uint16_t>& out) {
  out.resize(values.size());
  bool fits = true;
  for (size_t i = 0; i < values.size(); ++i) {
    out[i] = element == model::Element::kBF16 ? FloatToBFloat16(values[i]) : FloatToHalf(values[i]);
    fits = fits && std::abs(values[i]) <= 65504.0F;
  }
  return element == model::Element::kBF16 || fits;
}

}  // namespace

DeviceWeights::DeviceWeights(const model::VisionConfig& config, model::Element element, bool fp8)
    : config_(config),
      element_(element),
      fp8_(fp8),
      patch_depth_((config.patch_size * config.patch_size * 3 + kDepthStep - 1) / kDepthStep * kDepthStep) {}

Result<std::unique_ptr<DeviceWeights>> DeviceWeights::Create(const model::VisionModel& model,
                                                             const PixelNormalization& normalization,
                                                             model::Element element, bool fp8) {
  std::unique_ptr<DeviceWeights> weights(new DeviceWeights(model.config, element, fp8));
  ASSIGN_OR_RETURN(weights->arena_, DeviceArena::Create(weights->TotalBytes()));
  RETURN_IF_ERROR(weights->Upload(model, normalization));
  weights->staging_ = {};
  return weights;
}

// Every tensor on its own step of the arena; one step more each is more than enough.
size_t DeviceWeights::TotalBytes() const {
  const auto d = static_cast<size_t>(config_.hidden_size);
  const auto f = static_cast<size_t>(config_.mlp_size);
  const auto e = static_cast<size_t>(config_.embedding_dim());
  const auto layers = static_cast<size_t>(config_.layers);
  const size_t element = model::ElementBytes(element_);
  const size_t block = element * (4 * d * d + 2 * d * f + 4 * d) + sizeof(float) * (2 * d + f);
  // A byte less for each weight in fp8: of the last block those of keys and values.
  const size_t saved = layers == 0 || !fp8_ ? 0 : (layers - 1) * (4 * d * d + 2 * d * f) + 2 * d * d;
  const size_t scales = fp8_ ? layers * sizeof(float) * (5 * d + f) : 0;
  const size_t rest = element * (d * static_cast<size_t>(patch_depth_) + e * d) +
                      sizeof(float) * (static_cast<size_t>(config_.patches()) * d + 8 * d + e);
  constexpr size_t kTensors = 16;
  return layers * block - saved + scales + rest + (layers + 1) * kTensors * DeviceArena::kAlignment;
}

Result<DeviceMatrix> DeviceWeights::Matrix(const std::vector<float>& values) {
  DeviceMatrix matrix;
  ASSIGN_OR_RETURN(matrix.data, Elements(values));
  return matrix;
}

Result<DeviceMatrix> DeviceWeights::Fp8Matrix(const std::vector<float>& values, int rows) {
  const model::E4M3Rows quantized = model::QuantizeToE4M3(values, static_cast<size_t>(rows));
  DeviceMatrix matrix;
  auto* codes = arena_.Take<uint8_t>(quantized.codes.size());
  if (codes == nullptr) return Status(Code::kInternal, "the arena of the weights was made too small");
  CUDA_OK(cudaMemcpy(codes, quantized.codes.data(), quantized.codes.size(), cudaMemcpyHostToDevice));
  matrix.data = codes;
  ASSIGN_OR_RETURN(matrix.scales, Floats(quantized.scales));
  return matrix;
}

Result<const void*> DeviceWeights::Elements(const std::vector<float>& values) {
  if (element_ == model::Element::kF32) {
    ASSIGN_OR_RETURN(const float* floats, Floats(values));
    return static_cast<const void*>(floats);
  }
  if (!Convert(values, element_, staging_)) {
    return Status(Code::kInvalidRequest,
                  "the model's weights exceed what f16 can hold: use --precision bf16");
  }
  auto* to = arena_.Take<uint16_t>(values.size());
  if (to == nullptr) return Status(Code::kInternal, "the arena of the weights was made too small");
  CUDA_OK(cudaMemcpy(to, staging_.data(), values.size() * 2, cudaMemcpyHostToDevice));
  return static_cast<const void*>(to);
}

Result<const float*> DeviceWeights::Floats(const std::vector<float>& values) {
  auto* to = arena_.Take<float>(values.size());
  if (to == nullptr) return Status(Code::kInternal, "the arena of the weights was made too small");
  CUDA_OK(cudaMemcpy(to, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice));
  return static_cast<const float*>(to);
}

Result<Affine> DeviceWeights::Norm(const model::Norm& norm) {
  Affine affine;
  ASSIGN_OR_RETURN(affine.gamma, Floats(norm.gamma.ToFloats()));
  ASSIGN_OR_RETURN(affine.beta, Floats(norm.beta.ToFloats()));
  return affine;
}

Status DeviceWeights::Upload(const model::VisionModel& model, const PixelNormalization& normalization) {
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
    ASSIGN_OR_RETURN(class_row, Floats(folded.prefix_rows));
  }
  if (config_.has_pre_norm) {
    ASSIGN_OR_RETURN(pre_norm, Norm(model.weights.pre_norm));
  }
  blocks.resize(model.weights.blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    RETURN_IF_ERROR(UploadBlock(model.weights.blocks[i], i + 1 == blocks.size(), blocks[i]));
  }
  if (config_.projection_dim > 0) {
    const model::FoldedLinear folded_projection = model::FoldProjection(model);
    ASSIGN_OR_RETURN(projection, Matrix(folded_projection.weight));
    ASSIGN_OR_RETURN(projection_bias, Floats(folded_projection.bias));
  } else if (config_.has_post_norm) {
    ASSIGN_OR_RETURN(post_norm, Norm(model.weights.post_norm));
  }
  return Status::Ok();
}

Status DeviceWeights::UploadBlock(const model::Block& source, bool last, DeviceBlock& block) {
  const model::FoldedBlock folded = model::FoldBlock(config_, source, {.split_query = last});
  const int d = config_.hidden_size;
  const auto matrix = [&](const std::vector<float>& values, int rows, bool fp8) {
    return fp8 ? Fp8Matrix(values, rows) : Matrix(values);
  };
  ASSIGN_OR_RETURN(block.qkv, matrix(folded.qkv_weight, last ? 2 * d : 3 * d, fp8_));
  if (last) {
    ASSIGN_OR_RETURN(block.q, Matrix(folded.q_weight));
    ASSIGN_OR_RETURN(block.q_bias, Elements(folded.q_bias));
  } else {
    const auto hd = static_cast<size_t>(config_.head_dim());
    std::vector<float> bias(3 * folded.q_bias.size());
    for (size_t i = 0; i < folded.q_bias.size(); ++i) bias[i / hd * 3 * hd + i % hd] = folded.q_bias[i];
    ASSIGN_OR_RETURN(block.qkv_bias, Elements(bias));
  }
  ASSIGN_OR_RETURN(block.out, matrix(folded.out.weight, d, fp8_ && !last));
  ASSIGN_OR_RETURN(block.fc1, matrix(folded.fc1.weight, config_.mlp_size, fp8_ && !last));
  ASSIGN_OR_RETURN(block.fc2, matrix(folded.fc2.weight, d, fp8_ && !last));
  ASSIGN_OR_RETURN(block.out_bias, Floats(folded.out.bias));
  ASSIGN_OR_RETURN(block.fc1_bias, Floats(folded.fc1.bias));
  ASSIGN_OR_RETURN(block.fc2_bias, Floats(folded.fc2.bias));
  return Status::Ok();
}

}  // namespace photovec::device
