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
        config_(args.weights->transformer()),
        buffers_(*args.activations),
        gemms_(*args.gemms),
        element_(args.weights->element()),
        stream_(args.context.stream),
        rows_(args.batch.rows) {}

  Status Run() {
    RETURN_IF_ERROR(args_.image != nullptr ? EmbedPatches() : EmbedTexts());
    for (size_t i = 0; i + 1 < weights_.blocks.size(); ++i) {
      RETURN_IF_ERROR(Block(weights_.blocks[i], i + 2 == weights_.blocks.size()));
    }
    RETURN_IF_ERROR(LastBlock(weights_.blocks.back()));
    return Finish();
  }

  Status RunBare() {
    if (args_.image != nullptr) {
      RETURN_IF_ERROR(Multiply(BucketGemms::kPatch, buffers_.wide, weights_.patch, nullptr, buffers_.qkv));
    }
    for (size_t i = 0; i + 1 < weights_.blocks.size(); ++i) {
      const DeviceBlock& block = weights_.blocks[i];
      RETURN_IF_ERROR(Multiply(BucketGemms::kQkv, Rows(), block.qkv, block.qkv_bias, buffers_.qkv));
      RETURN_IF_ERROR(Multiply(BucketGemms::kOut, Rows(), block.out, nullptr, buffers_.qkv));
      RETURN_IF_ERROR(Multiply(BucketGemms::kFc1, Rows(), block.fc1, nullptr, buffers_.wide));
      RETURN_IF_ERROR(Multiply(BucketGemms::kFc2, WideRows(), block.fc2, nullptr, buffers_.qkv));
    }
    const DeviceBlock& last = weights_.blocks.back();
    RETURN_IF_ERROR(Multiply(BucketGemms::kKeysValues, Rows(), last.qkv, last.qkv_bias, buffers_.qkv));
    if (last.q.data != nullptr) {
      RETURN_IF_ERROR(
          Multiply(BucketGemms::kPooledQuery, buffers_.pooled, last.q, last.q_bias, buffers_.query));
    }
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledOut, buffers_.pooled, last.out, nullptr, buffers_.qkv));
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledFc1, buffers_.pooled, last.fc1, nullptr, buffers_.wide));
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledFc2, TailWide(), last.fc2, nullptr, buffers_.qkv));
    return Project();
  }

 private:
  // What a product over all rows takes, D or F wide: in fp8 whatever was quantised last.
  const void* Rows() const { return weights_.fp8() ? buffers_.fp8.values : buffers_.normed; }
  const void* WideRows() const {
    if (weights_.fp8()) return buffers_.fp8.values;
    return config_.gated_mlp ? buffers_.gated : buffers_.wide;
  }
  const void* TailWide() const { return weights_.tail_gated() ? buffers_.gated : buffers_.wide; }

  Status Multiply(BucketGemms::Which which, const void* x, const DeviceMatrix& w, const void* bias, void* y) {
    return gemms_[which].Run(args_.context, {x, w.data, bias, y, buffers_.fp8.scales, w.scales});
  }

  // x [M, D] = pre_norm(patches W + position), normed = norm(x): CLIPVisionEmbeddings, pre_layrnorm.
  Status EmbedPatches() {
    const NvtxRange range("embed");
    const ImageWeights& image = *args_.image;
    RETURN_IF_ERROR(Multiply(BucketGemms::kPatch, buffers_.wide, weights_.patch, nullptr, buffers_.qkv));
    EmbedArgs embed;
    embed.product = buffers_.qkv;
    embed.position = image.position;
    embed.prefix_rows = image.prefix_rows;
    embed.prefix = image.config().prefix_tokens();
    embed.pre_norm = image.config().has_pre_norm;
    embed.affine = image.pre_norm;
    embed.eps = config_.layer_norm_eps;
    embed.images = args_.batch.tail;
    embed.patches = image.config().patches();
    embed.dim = config_.hidden_size;
    embed.x = buffers_.x;
    embed.normed = NormedOrNull(weights_.blocks.size() == 1);
    embed.fp8 = buffers_.fp8;
    CUDA_OK(EmbedRows(embed, element_, stream_));
    return Status::Ok();
  }

  // x [M, D] = token rows + positions, normed = norm(x): CLIPTextEmbeddings.
  Status EmbedTexts() {
    const NvtxRange range("embed");
    EmbedTokensArgs embed;
    embed.token_rows = args_.text->token_rows;
    embed.position = args_.text->position;
    embed.ids = args_.inputs.ids;
    embed.places = args_.inputs.places;
    embed.eps = config_.layer_norm_eps;
    embed.rows = rows_;
    embed.dim = config_.hidden_size;
    embed.x = buffers_.x;
    embed.normed = buffers_.normed;
    CUDA_OK(EmbedTokens(embed, element_, stream_));
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

  // The last block: keys and values of all rows, everything else for one row an image or text alone: that of
  // the class token, that of the last token, or the pool's, which begins as zero.
  Status LastBlock(const DeviceBlock& block) {
    const NvtxRange range("last block");
    const int d = config_.hidden_size;
    RETURN_IF_ERROR(Multiply(BucketGemms::kKeysValues, Rows(), block.qkv, block.qkv_bias, buffers_.qkv));
    if (!weights_.pool) RETURN_IF_ERROR(Turn(1));
    if (args_.text != nullptr) {
      CUDA_OK(GatherIndexedRows(buffers_.normed, args_.inputs.last, args_.batch.tail, d, element_,
                                buffers_.pooled, stream_));
      CUDA_OK(GatherIndexedRows(buffers_.x, args_.inputs.last, args_.batch.tail, d, model::Element::kF32,
                                buffers_.tail, stream_));
    } else if (weights_.pool) {
      CUDA_OK(cudaMemsetAsync(buffers_.tail, 0, Size(args_.batch.tail, d) * sizeof(float), stream_));
    } else {
      CUDA_OK(GatherRows(buffers_.normed, static_cast<size_t>(args_.image->config().tokens()),
                         args_.batch.tail, d, element_, buffers_.pooled, stream_));
    }
    if (block.q.data != nullptr) {
      RETURN_IF_ERROR(
          Multiply(BucketGemms::kPooledQuery, buffers_.pooled, block.q, block.q_bias, buffers_.query));
    }
    RETURN_IF_ERROR(args_.text != nullptr ? AttendLastTokens() : AttendPooled(block));
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledOut, buffers_.pooled, block.out, nullptr, buffers_.query));
    RETURN_IF_ERROR(PooledNorm(block.out_bias));
    RETURN_IF_ERROR(Multiply(BucketGemms::kPooledFc1, buffers_.pooled, block.fc1, nullptr, buffers_.wide));
    CUDA_OK(Activate(ActArgs(block.fc1_bias, args_.batch.tail, weights_.tail_gated()), element_, stream_));
    return Multiply(BucketGemms::kPooledFc2, TailWide(), block.fc2, nullptr, buffers_.query);
  }

  // out = projection(norm(the tail's x)).
  Status Finish() {
    const NvtxRange range("project");
    ResidualArgs args = PooledArgs(weights_.blocks.back().fc2_bias);
    args.norm = weights_.end_norm;
    args.affine = weights_.end_affine;
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
    RETURN_IF_ERROR(Turn(2));
    RETURN_IF_ERROR(args_.text != nullptr && args_.text->config().causal ? AttendCausal() : AttendAll());
    if (weights_.fp8()) {
      CUDA_OK(QuantizeRows(buffers_.normed, rows_, config_.hidden_size, buffers_.fp8, stream_));
    }
    return Status::Ok();
  }

  // Every row of an image, or of a padded text, sees every other.
  Status AttendAll() {
    const auto hd = static_cast<size_t>(config_.head_dim());
    const size_t row = 3 * hd * static_cast<size_t>(config_.heads);
    AttentionArgs args = HeadArgs();
    args.q = buffers_.qkv;
    args.k = At(buffers_.qkv, hd);
    args.v = At(buffers_.qkv, 2 * hd);
    args.q_row = args.kv_row = row;
    args.q_image = args.kv_image = row * static_cast<size_t>(tokens());
    args.q_head = args.kv_head = 3 * hd;
    args.out = buffers_.normed;
    args.out_image = Size(tokens(), config_.hidden_size);
    args.tq = tokens();
    CUDA_OK(Attention(args, element_, stream_));
    return Status::Ok();
  }

  // Texts of any lengths, one behind the other: a row sees those of its text up to itself.
  Status AttendCausal() {
    const auto hd = static_cast<size_t>(config_.head_dim());
    RangeAttentionArgs args = RangeArgs(3);
    args.q = buffers_.qkv;
    args.k = At(buffers_.qkv, hd);
    args.v = At(buffers_.qkv, 2 * hd);
    args.q_row = args.kv_row;
    args.q_head = args.kv_head;
    args.ranges = args_.inputs.ranges;
    args.out = buffers_.normed;
    args.queries = rows_;
    CUDA_OK(AttentionRanges(args, element_, stream_));
    return Status::Ok();
  }

  // The same with one query an image: pooled becomes what attention gives.
  Status AttendPooled(const DeviceBlock& block) {
    const auto hd = static_cast<size_t>(config_.head_dim());
    const auto d = static_cast<size_t>(config_.hidden_size);
    const bool constant = block.q.data == nullptr;
    AttentionArgs args = HeadArgs();
    args.q = constant ? block.q_bias : buffers_.query;
    args.k = buffers_.qkv;
    args.v = At(buffers_.qkv, hd);
    args.q_row = d;
    args.q_image = constant ? 0 : d;
    args.q_head = hd;
    args.kv_row = 2 * d;
    args.kv_image = args.kv_row * static_cast<size_t>(tokens());
    args.kv_head = 2 * hd;
    args.out = buffers_.pooled;
    args.out_image = d;
    args.tq = 1;
    CUDA_OK(Attention(args, element_, stream_));
    return Status::Ok();
  }

  // The same for the last row of each text.
  Status AttendLastTokens() {
    RangeAttentionArgs args = RangeArgs(2);
    args.q = buffers_.query;
    args.k = buffers_.qkv;
    args.v = At(buffers_.qkv, static_cast<size_t>(config_.head_dim()));
    args.q_row = static_cast<size_t>(config_.hidden_size);
    args.q_head = static_cast<size_t>(config_.head_dim());
    args.ranges = args_.inputs.tail_ranges;
    args.out = buffers_.pooled;
    args.queries = args_.batch.tail;
    CUDA_OK(AttentionRanges(args, element_, stream_));
    return Status::Ok();
  }

  int tokens() const {
    return args_.image != nullptr ? args_.image->config().tokens() : args_.text->config().max_tokens;
  }

  AttentionArgs HeadArgs() const {
    AttentionArgs args;
    args.out_row = static_cast<size_t>(config_.hidden_size);
    args.images = args_.batch.tail;
    args.heads = config_.heads;
    args.head_dim = config_.head_dim();
    args.tk = tokens();
    return args;
  }

  // \param parts HD-wide groups of a head in buffers_.qkv: q, k, v or k, v.
  RangeAttentionArgs RangeArgs(size_t parts) const {
    RangeAttentionArgs args;
    args.kv_row = parts * static_cast<size_t>(config_.hidden_size);
    args.kv_head = parts * static_cast<size_t>(config_.head_dim());
    args.heads = config_.heads;
    args.head_dim = config_.head_dim();
    args.most_keys = tokens();
    return args;
  }

  // Queries and keys (parts 2, of q, k, v), or keys (1, of k, v), turn by their place where the tower has no
  // other positions: DINOv3ViTAttention, apply_rotary_pos_emb.
  Status Turn(int parts) {
    if (args_.image == nullptr || args_.image->cosine == nullptr) return Status::Ok();
    const auto groups = static_cast<size_t>(parts) + 1;
    RotaryArgs args;
    args.x = buffers_.qkv;
    args.row = groups * static_cast<size_t>(config_.hidden_size);
    args.head = groups * static_cast<size_t>(config_.head_dim());
    args.parts = parts;
    args.cosine = args_.image->cosine;
    args.sine = args_.image->sine;
    args.images = args_.batch.tail;
    args.tokens = tokens();
    args.prefix = args_.image->config().prefix_tokens();
    args.heads = config_.heads;
    args.head_dim = config_.head_dim();
    CUDA_OK(Rotate(args, element_, stream_));
    return Status::Ok();
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
    args.norm = !before_last || weights_.norm_before_tail;
    args.out = NormedOrNull(before_last);
    args.fp8 = buffers_.fp8;
    CUDA_OK(ResidualNorm(args, element_, stream_));
    return Status::Ok();
  }

  ResidualArgs PooledArgs(const float* bias) const {
    ResidualArgs args;
    args.x = buffers_.tail != nullptr ? buffers_.tail : buffers_.x;
    args.x_stride = Size(buffers_.tail != nullptr ? 1 : tokens(), config_.hidden_size);
    args.product = buffers_.query;
    args.bias = bias;
    args.eps = config_.layer_norm_eps;
    args.rows = args_.batch.tail;
    args.dim = config_.hidden_size;
    args.out = buffers_.pooled;
    return args;
  }

  Status PooledNorm(const float* bias) {
    CUDA_OK(ResidualNorm(PooledArgs(bias), element_, stream_));
    return Status::Ok();
  }

  ActivateArgs ActArgs(const float* bias, int rows, bool gated) const {
    ActivateArgs args;
    args.activation = config_.activation;
    args.x = buffers_.wide;
    args.bias = bias;
    args.rows = rows;
    args.columns = config_.mlp_size;
    args.gated = gated;
    args.gated_out = buffers_.gated;
    return args;
  }

  Status ActRows(const float* bias) {
    const ActivateArgs args = ActArgs(bias, rows_, config_.gated_mlp);
    CUDA_OK(weights_.fp8() ? ActivateFp8(args, buffers_.fp8, stream_) : Activate(args, element_, stream_));
    return Status::Ok();
  }

  const ForwardArgs& args_;
  const TowerWeights& weights_;
  const model::TransformerConfig& config_;
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
