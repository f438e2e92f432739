// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/encode/forward.h"

#include "device/cuda/plugin/cuda_check.h"
#include "device/cuda/plugin/nvtx_range.h"

namespace photovec::device {
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
    for (size_t i = 0; i + 1 < weights_.blocks.size(); ++i) {
      RETURN_IF_ERROR(Block(weights_.blocks[i], i + 2 == weights_.blocks.size()));
    }
    RETURN_IF_ERROR(LastBlock(weights_.blocks.back()));
    return Finish();
  }

  Status RunBare() {
    RETURN_IF_ERROR(Multiply(BucketGemms::kPatch, buffers_.wide, weights_.patch, nullptr, buffers_.qkv));
    for (size_t i = 0; i + 1 < weights_.blocks.size(); ++i) {
      const DeviceBlock& block = weights_.blocks[i];
      RETURN_IF_ERROR(Multiply(BucketGemms::kQkv, Rows(), block.qkv, block.qkv_bias, buffers_.qkv));
      RETURN_IF_ERROR(Multiply(BucketGemms::kOut, Rows(), block.out, nullptr, buffers_.qkv));
      RETURN_IF_ERROR(Multiply(BucketGemms::kFc1, Rows(), block.fc1, nullptr, buffers_.wide));
      RETURN_IF_ERROR(Multiply(BucketGemms::kFc2, WideRows(), block.fc2, nullptr, buffers_.qkv));
    }
    const DeviceBlock& last = weights_.blocks.back();
    RETURN_IF_ERROR(Multiply(BucketGemms::kKeysValues, Rows(), last.qkv, nullptr, buffers_.qkv));
    RETURN_IF_ERROR(
        Multiply(BucketGemms::kPooledQuery, buffers_.pooled, last.q, last.q_bias, buffers_.query));
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledOut, buffers_.pooled, last.out, nullptr, buffers_.qkv));
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledFc1, buffers_.pooled, last.fc1, nullptr, buffers_.wide));
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledFc2, buffers_.wide, last.fc2, nullptr, buffers_.qkv));
    return Project();
  }

 private:
  // What a product over all rows takes, D or F wide: in fp8 whatever was quantised last.
  const void* Rows() const { return weights_.fp8() ? buffers_.fp8.values : buffers_.normed; }
  const void* WideRows() const { return weights_.fp8() ? buffers_.fp8.values : buffers_.wide; }

  Status Multiply(BucketGemms::Which which, const void* x, const DeviceMatrix& w, const void* bias, void* y) {
    return gemms_[which].Run(args_.context, {x, w.data, bias, y, buffers_.fp8.scales, w.scales});
  }

  // x [M, D] = pre_norm(patches W + position), normed = norm(x): CLIPVisionEmbeddings, pre_layrnorm.
  Status Embed() {
    const NvtxRange range("embed");
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
    embed.normed = NormedOrNull(weights_.blocks.size() == 1);
    embed.fp8 = buffers_.fp8;
    CUDA_OK(EmbedRows(embed, element_, stream_));
    return Status::Ok();
  }

  // CLIPEncoderLayer.forward. On entry normed = norm1(x); on return, that of the next block.
  Status Block(const DeviceBlock& block, bool before_last) {
    const NvtxRange range("block");
    RETURN_IF_ERROR(Multiply(BucketGemms::kQkv, Rows(), block.qkv, block.qkv_bias, buffers_.qkv));
    RETURN_IF_ERROR(Attend());
    RETURN_IF_ERROR(Multiply(BucketGemms::kOut, Rows(), block.out, nullptr, buffers_.qkv));
    RETURN_IF_ERROR(AddAndNorm(block.out_bias, false));
    RETURN_IF_ERROR(Multiply(BucketGemms::kFc1, Rows(), block.fc1, nullptr, buffers_.wide));
    RETURN_IF_ERROR(ActRows(block.fc1_bias));
    RETURN_IF_ERROR(Multiply(BucketGemms::kFc2, WideRows(), block.fc2, nullptr, buffers_.qkv));
    return AddAndNorm(block.fc2_bias, before_last);
  }

  // The last block: keys and values of all rows, everything else for the class token rows alone.
  Status LastBlock(const DeviceBlock& block) {
    const NvtxRange range("last block");
    const int d = config_.hidden_size;
    RETURN_IF_ERROR(Multiply(BucketGemms::kKeysValues, Rows(), block.qkv, nullptr, buffers_.qkv));
    CUDA_OK(GatherRows(buffers_.normed, static_cast<size_t>(config_.tokens()), args_.images, d, element_,
                       buffers_.pooled, stream_));
    RETURN_IF_ERROR(
        Multiply(BucketGemms::kPooledQuery, buffers_.pooled, block.q, block.q_bias, buffers_.query));
    RETURN_IF_ERROR(AttendPooled());
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledOut, buffers_.pooled, block.out, nullptr, buffers_.query));
    RETURN_IF_ERROR(PooledNorm(block.out_bias));
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledFc1, buffers_.pooled, block.fc1, nullptr, buffers_.wide));
    CUDA_OK(Activate(ActArgs(block.fc1_bias, args_.images), element_, stream_));
    return Multiply(BucketGemms::kPooledFc2, buffers_.wide, block.fc2, nullptr, buffers_.query);
  }

  // out = projection(post_norm(x of the class token)).
  Status Finish() {
    const NvtxRange range("project");
    ResidualArgs args = PooledArgs(weights_.blocks.back().fc2_bias);
    args.norm = config_.has_post_norm;
    args.affine = weights_.post_norm;
    if (weights_.projection.data == nullptr) {
      args.out = buffers_.out;
      args.out_f32 = true;
    }
    CUDA_OK(ResidualNorm(args, element_, stream_));
    return Project();
  }

  Status Project() {
    if (weights_.projection.data == nullptr) return Status::Ok();
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
    if (weights_.fp8()) {
      CUDA_OK(QuantizeRows(buffers_.normed, rows_, config_.hidden_size, buffers_.fp8, stream_));
    }
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
    return static_cast<const uint8_t*>(elements) + offset * model::ElementBytes(element_);
  }

  // In fp8 the elements are written too where the last block will gather the class token rows from them.
  void* NormedOrNull(bool before_last) const {
    return weights_.fp8() && !before_last ? nullptr : buffers_.normed;
  }

  // x += product + bias, normed = norm(x); norm1 and norm2 have no scale and shift left.
  Status AddAndNorm(const float* bias, bool before_last) {
    ResidualArgs args;
    args.x = buffers_.x;
    args.x_stride = static_cast<size_t>(config_.hidden_size);
    args.product = buffers_.qkv;
    args.bias = bias;
    args.eps = config_.layer_norm_eps;
    args.rows = rows_;
    args.dim = config_.hidden_size;
    args.out = NormedOrNull(before_last);
    args.fp8 = buffers_.fp8;
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

  ActivateArgs ActArgs(const float* bias, int rows) const {
    ActivateArgs args;
    args.activation = config_.activation;
    args.x = buffers_.wide;
    args.bias = bias;
    args.rows = rows;
    args.columns = config_.mlp_size;
    return args;
  }

  Status ActRows(const float* bias) {
    const ActivateArgs args = ActArgs(bias, rows_);
    CUDA_OK(weights_.fp8() ? ActivateFp8(args, buffers_.fp8, stream_) : Activate(args, element_, stream_));
    return Status::Ok();
  }

  const ForwardArgs& args_;
  const DeviceWeights& weights_;
  const model::VisionConfig& config_;
  const Activations& buffers_;
  BucketGemms& gemms_;
  const model::Element element_;
  const cudaStream_t stream_;
  const int rows_;
};

}  // namespace

Status Forward(const ForwardArgs& args) { return ForwardPass(args).Run(); }
Status BareProducts(const ForwardArgs& args) { return ForwardPass(args).RunBare(); }

}  // namespace photovec::device
