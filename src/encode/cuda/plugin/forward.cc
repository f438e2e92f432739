// SPDX-License-Identifier: MIT
#include "encode/cuda/plugin/forward.h"

#include <algorithm>
#include <utility>

#include "encode/cuda/plugin/cuda_check.h"
#include "encode/cuda/plugin/ranges.h"

namespace photovec::encode::cuda {
namespace {

size_t Size(int a, int b) { return static_cast<size_t>(a) * static_cast<size_t>(b); }

class ForwardPass {
 public:
  explicit ForwardPass(const ForwardArgs& args)
      : args_(args),
        weights_(*args.weights),
        config_(args.weights->config()),
        buffers_(*args.activations),
        gemms_(*args.gemms),
        element_(args.weights->element()),
        stream_(args.context.stream),
        rows_(args.images * args.weights->config().tokens()) {}

  Status Run() {
    RETURN_IF_ERROR(Embed());
    for (size_t i = 0; i + 1 < weights_.blocks.size(); ++i) RETURN_IF_ERROR(Block(weights_.blocks[i]));
    RETURN_IF_ERROR(LastBlock(weights_.blocks.back()));
    return Finish();
  }

  Status RunBare() {
    RETURN_IF_ERROR(Multiply(BucketGemms::kPatch, buffers_.wide, weights_.patch, nullptr, buffers_.qkv));
    for (size_t i = 0; i + 1 < weights_.blocks.size(); ++i) {
      const DeviceBlock& block = weights_.blocks[i];
      RETURN_IF_ERROR(Multiply(BucketGemms::kQkv, buffers_.normed, block.qkv, block.qkv_bias, buffers_.qkv));
      RETURN_IF_ERROR(Multiply(BucketGemms::kOut, buffers_.normed, block.out, nullptr, buffers_.qkv));
      RETURN_IF_ERROR(Multiply(BucketGemms::kFc1, buffers_.normed, block.fc1, nullptr, buffers_.wide));
      RETURN_IF_ERROR(Multiply(BucketGemms::kFc2, buffers_.wide, block.fc2, nullptr, buffers_.qkv));
    }
    const DeviceBlock& last = weights_.blocks.back();
    RETURN_IF_ERROR(Multiply(BucketGemms::kKeysValues, buffers_.normed, last.qkv, nullptr, buffers_.qkv));
    RETURN_IF_ERROR(
        Multiply(BucketGemms::kPooledQuery, buffers_.pooled, last.q, last.q_bias, buffers_.query));
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledOut, buffers_.pooled, last.out, nullptr, buffers_.qkv));
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledFc1, buffers_.pooled, last.fc1, nullptr, buffers_.wide));
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledFc2, buffers_.wide, last.fc2, nullptr, buffers_.qkv));
    return Project();
  }

 private:
  Status Multiply(BucketGemms::Which which, const void* x, const void* w, const void* bias, void* y) {
    return gemms_[which].Run(args_.context, {x, w, bias, y});
  }

  // x [M, D] = pre_norm(patches W + position), normed = norm(x): CLIPVisionEmbeddings, pre_layrnorm.
  Status Embed() {
    const Range range("embed");
    RETURN_IF_ERROR(Multiply(BucketGemms::kPatch, buffers_.wide, weights_.patch, nullptr, buffers_.qkv));
    EmbedArgs embed;
    embed.product = buffers_.qkv;
    embed.position = weights_.position;
    embed.class_row = weights_.class_row;
    embed.pre_norm = config_.has_pre_norm;
    embed.affine = weights_.pre_norm;
    embed.eps = config_.layer_norm_eps;
    embed.images = args_.images;
    embed.patches = config_.patches();
    embed.dim = config_.hidden_size;
    embed.x = buffers_.x;
    embed.normed = buffers_.normed;
    CUDA_OK(EmbedRows(embed, element_, stream_));
    return Status::Ok();
  }

  // CLIPEncoderLayer.forward. On entry normed = norm1(x); on return, that of the next block.
  Status Block(const DeviceBlock& block) {
    const Range range("block");
    RETURN_IF_ERROR(Multiply(BucketGemms::kQkv, buffers_.normed, block.qkv, block.qkv_bias, buffers_.qkv));
    RETURN_IF_ERROR(Attend());
    RETURN_IF_ERROR(Multiply(BucketGemms::kOut, buffers_.normed, block.out, nullptr, buffers_.qkv));
    RETURN_IF_ERROR(AddAndNorm(block.out_bias));
    RETURN_IF_ERROR(Multiply(BucketGemms::kFc1, buffers_.normed, block.fc1, nullptr, buffers_.wide));
    RETURN_IF_ERROR(Act(block.fc1_bias, rows_));
    RETURN_IF_ERROR(Multiply(BucketGemms::kFc2, buffers_.wide, block.fc2, nullptr, buffers_.qkv));
    return AddAndNorm(block.fc2_bias);
  }

  // The last block: keys and values of all rows, everything else for the class token rows alone.
  Status LastBlock(const DeviceBlock& block) {
    const Range range("last block");
    const int d = config_.hidden_size;
    RETURN_IF_ERROR(Multiply(BucketGemms::kKeysValues, buffers_.normed, block.qkv, nullptr, buffers_.qkv));
    CUDA_OK(GatherRows(buffers_.normed, static_cast<size_t>(config_.tokens()), args_.images, d, element_,
                       buffers_.pooled, stream_));
    RETURN_IF_ERROR(
        Multiply(BucketGemms::kPooledQuery, buffers_.pooled, block.q, block.q_bias, buffers_.query));
    RETURN_IF_ERROR(AttendPooled());
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledOut, buffers_.pooled, block.out, nullptr, buffers_.query));
    RETURN_IF_ERROR(PooledNorm(block.out_bias));
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledFc1, buffers_.pooled, block.fc1, nullptr, buffers_.wide));
    RETURN_IF_ERROR(Act(block.fc1_bias, args_.images));
    return Multiply(BucketGemms::kPooledFc2, buffers_.wide, block.fc2, nullptr, buffers_.query);
  }

  // out = projection(post_norm(x of the class token)).
  Status Finish() {
    const Range range("project");
    ResidualArgs args = PooledArgs(weights_.blocks.back().fc2_bias);
    args.norm = config_.has_post_norm;
    args.affine = weights_.post_norm;
    if (weights_.projection == nullptr) {
      args.out = buffers_.out;
      args.out_f32 = true;
    }
    CUDA_OK(ResidualNorm(args, element_, stream_));
    return Project();
  }

  Status Project() {
    if (weights_.projection == nullptr) return Status::Ok();
    return Multiply(BucketGemms::kProjection, buffers_.pooled, weights_.projection, weights_.projection_bias,
                    buffers_.out);
  }

  // q, k and v of a head lie side by side; normed becomes what attention gives.
  Status Attend() {
    const auto hd = static_cast<size_t>(config_.head_dim());
    const size_t row = 3 * hd * static_cast<size_t>(config_.heads);
    AttentionArgs args = HeadArgs();
    args.q = buffers_.qkv;
    args.k = At(buffers_.qkv, hd);
    args.v = At(buffers_.qkv, 2 * hd);
    args.q_row = args.kv_row = row;
    args.q_image = args.kv_image = row * static_cast<size_t>(config_.tokens());
    args.q_head = args.kv_head = 3 * hd;
    args.out = buffers_.normed;
    args.out_image = Size(config_.tokens(), config_.hidden_size);
    args.tq = config_.tokens();
    CUDA_OK(Attention(args, element_, stream_));
    return Status::Ok();
  }

  // The same with one query an image: pooled becomes what attention gives.
  Status AttendPooled() {
    const auto hd = static_cast<size_t>(config_.head_dim());
    const size_t row = 2 * hd * static_cast<size_t>(config_.heads);
    AttentionArgs args = HeadArgs();
    args.q = buffers_.query;
    args.k = buffers_.qkv;
    args.v = At(buffers_.qkv, hd);
    args.q_row = args.q_image = static_cast<size_t>(config_.hidden_size);
    args.q_head = hd;
    args.kv_row = row;
    args.kv_image = row * static_cast<size_t>(config_.tokens());
    args.kv_head = 2 * hd;
    args.out = buffers_.pooled;
    args.out_image = static_cast<size_t>(config_.hidden_size);
    args.tq = 1;
    CUDA_OK(Attention(args, element_, stream_));
    return Status::Ok();
  }

  AttentionArgs HeadArgs() const {
    AttentionArgs args;
    args.out_row = static_cast<size_t>(config_.hidden_size);
    args.images = args_.images;
    args.heads = config_.heads;
    args.head_dim = config_.head_dim();
    args.tk = config_.tokens();
    return args;
  }

  const void* At(const void* elements, size_t offset) const {
    return static_cast<const uint8_t*>(elements) + offset * ElementBytes(element_);
  }

  // x += product + bias, normed = norm(x); norm1 and norm2 have no scale and shift left.
  Status AddAndNorm(const float* bias) {
    ResidualArgs args;
    args.x = buffers_.x;
    args.x_stride = static_cast<size_t>(config_.hidden_size);
    args.product = buffers_.qkv;
    args.bias = bias;
    args.eps = config_.layer_norm_eps;
    args.rows = rows_;
    args.dim = config_.hidden_size;
    args.out = buffers_.normed;
    CUDA_OK(ResidualNorm(args, element_, stream_));
    return Status::Ok();
  }

  ResidualArgs PooledArgs(const float* bias) const {
    ResidualArgs args;
    args.x = buffers_.x;
    args.x_stride = Size(config_.tokens(), config_.hidden_size);
    args.product = buffers_.query;
    args.bias = bias;
    args.eps = config_.layer_norm_eps;
    args.rows = args_.images;
    args.dim = config_.hidden_size;
    args.out = buffers_.pooled;
    return args;
  }

  Status PooledNorm(const float* bias) {
    CUDA_OK(ResidualNorm(PooledArgs(bias), element_, stream_));
    return Status::Ok();
  }

  Status Act(const float* bias, int rows) {
    ActivateArgs args;
    args.activation = config_.activation;
    args.x = buffers_.wide;
    args.bias = bias;
    args.rows = rows;
    args.columns = config_.mlp_size;
    CUDA_OK(Activate(args, element_, stream_));
    return Status::Ok();
  }

  const ForwardArgs& args_;
  const DeviceWeights& weights_;
  const model::VisionConfig& config_;
  const Activations& buffers_;
  BucketGemms& gemms_;
  const Element element_;
  const cudaStream_t stream_;
  const int rows_;
};

struct ActivationSizes {
  size_t rows, x, normed, qkv, wide, pooled, out;
  ActivationSizes(const DeviceWeights& weights, int max_batch) {
    const auto& config = weights.config();
    rows = Size(max_batch, config.tokens());
    const auto d = static_cast<size_t>(config.hidden_size);
    const size_t element = ElementBytes(weights.element());
    x = rows * d * sizeof(float);
    normed = rows * d * element;
    qkv = 3 * normed;
    wide = element * std::max(rows * static_cast<size_t>(config.mlp_size),
                              Size(max_batch, config.patches()) * static_cast<size_t>(weights.patch_depth()));
    pooled = static_cast<size_t>(max_batch) * d * element;
    out = Size(max_batch, config.embedding_dim()) * sizeof(float);
  }
};

}  // namespace

size_t Activations::Bytes(const DeviceWeights& weights, int max_batch) {
  const ActivationSizes sizes(weights, max_batch);
  size_t total = 0;
  for (const size_t bytes : {sizes.x, sizes.normed, sizes.qkv, sizes.wide, sizes.pooled, sizes.pooled,
                             sizes.out, sizeof(unsigned)}) {
    total += DeviceArena::Rounded(bytes);
  }
  return total;
}

Activations Activations::In(DeviceArena& arena, const DeviceWeights& weights, int max_batch) {
  const ActivationSizes sizes(weights, max_batch);
  Activations buffers;
  buffers.x = arena.Take<float>(sizes.x / sizeof(float));
  buffers.normed = arena.Take<uint8_t>(sizes.normed);
  buffers.qkv = arena.Take<uint8_t>(sizes.qkv);
  buffers.wide = arena.Take<uint8_t>(sizes.wide);
  buffers.pooled = arena.Take<uint8_t>(sizes.pooled);
  buffers.query = arena.Take<uint8_t>(sizes.pooled);
  buffers.out = arena.Take<float>(sizes.out / sizeof(float));
  buffers.counter = arena.Take<unsigned>(1);
  return buffers;
}

BucketGemms::BucketGemms(std::vector<Gemm> planned) : gemms(std::move(planned)) {}

std::vector<GemmShape> BucketGemms::Shapes(const DeviceWeights& weights, int images) {
  const auto& config = weights.config();
  const Element element = weights.element();
  const int d = config.hidden_size;
  const int f = config.mlp_size;
  const int rows = images * config.tokens();
  std::vector<GemmShape> shapes = {
      {images * config.patches(), d, weights.patch_depth(), element, false, false},
      {rows, 3 * d, d, element, false, true},
      {rows, d, d, element, false, false},
      {rows, f, d, element, false, false},
      {rows, d, f, element, false, false},
      {rows, 2 * d, d, element, false, false},
      {images, d, d, element, false, true},
      {images, d, d, element, false, false},
      {images, f, d, element, false, false},
      {images, d, f, element, false, false},
  };
  if (config.projection_dim > 0) shapes.push_back({images, config.projection_dim, d, element, true, true});
  return shapes;
}

Status Forward(const ForwardArgs& args) { return ForwardPass(args).Run(); }
Status BareProducts(const ForwardArgs& args) { return ForwardPass(args).RunBare(); }

}  // namespace photovec::encode::cuda
