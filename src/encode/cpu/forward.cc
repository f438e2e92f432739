// SPDX-License-Identifier: MIT
#include "encode/cpu/forward.h"

#include <algorithm>
#include <cstring>

namespace photovec::encode::cpu {
namespace {

class RankForward {
 public:
  RankForward(const GroupRun& run, int rank, const dnnl::stream& stream)
      : run_(run),
        model_(*run.model),
        config_(run.model->config()),
        shared_(run.plan->shared),
        plan_(run.plan->ranks[static_cast<size_t>(rank)]),
        stream_(stream),
        rank_(rank),
        size_(static_cast<int>(run.plan->ranks.size())),
        images_(run.plan->images),
        element_(run.model->element()),
        rows_(Share(images_ * config_.tokens(), 1, rank, size_)) {}

  void Run() {
    Embed();
    for (size_t i = 0; i + 1 < model_.blocks.size(); ++i) Block(model_.blocks[i], plan_.blocks[i]);
    LastBlock(model_.blocks.back(), plan_.blocks.back());
    Finish();
  }

 private:
  void Sync() {
    if (run_.barrier != nullptr) run_.barrier->Wait();
  }

  void Multiply(const MatmulCall& call) {
    if (!call.Run(stream_)) run_.failed->store(true, std::memory_order_relaxed);
  }
  void Multiply(const std::vector<MatmulCall>& calls) {
    for (const MatmulCall& call : calls) Multiply(call);
  }

  std::byte* RowOf(void* matrix, int row, int columns) const {
    return static_cast<std::byte*>(matrix) +
           static_cast<size_t>(row) * static_cast<size_t>(columns) * model::ElementBytes(element_);
  }

  // x [M, D] = pre_norm(patches W + position), normed = norm(x): CLIPVisionEmbeddings, pre_layrnorm.
  void Embed() {
    const int patches = config_.patches();
    const int depth = config_.patch_size * config_.patch_size * 3;
    const Range mine = Share(images_ * patches, 1, rank_, size_);
    for (int i = mine.first / patches; i * patches < mine.last; ++i) {
      PixelsToPatches(run_.slots[static_cast<size_t>(i)].data, config_.image_size, config_.patch_size,
                      std::max(mine.first - i * patches, 0), std::min(mine.last - i * patches, patches),
                      element_, RowOf(shared_.wide, i * patches, depth));
    }
    Sync();
    Multiply(plan_.patch);
    Sync();
    EmbedArgs args;
    args.products = run_.plan->products;
    args.position = model_.position;
    args.class_row = model_.class_row;
    args.norm = config_.has_pre_norm;
    args.affine = model_.pre_norm;
    args.eps = config_.layer_norm_eps;
    args.patches = patches;
    args.dim = config_.hidden_size;
    args.x = shared_.x;
    EmbedRows(args, rows_.first, rows_.last);
    ResidualNorm(NormArgs(), rows_.first, rows_.last);
  }

  // normed = norm(x); norm1 and norm2 have no scale and shift left.
  ResidualNormArgs NormArgs() const {
    ResidualNormArgs args;
    args.x = shared_.x;
    args.x_stride = static_cast<size_t>(config_.hidden_size);
    args.dim = config_.hidden_size;
    args.eps = config_.layer_norm_eps;
    args.element = element_;
    args.out = shared_.normed;
    return args;
  }
  // x += product + bias first.
  ResidualNormArgs AddNormArgs(const float* bias) const {
    ResidualNormArgs args = NormArgs();
    args.add = run_.plan->products;
    args.bias = bias;
    return args;
  }
  // The same for the class token rows: x's row 0 of each image, to pooled [images, D].
  ResidualNormArgs PooledArgs(const float* bias) const {
    ResidualNormArgs args = AddNormArgs(bias);
    args.x_stride *= static_cast<size_t>(config_.tokens());
    args.out = shared_.pooled;
    return args;
  }

  // CLIPEncoderLayer.forward. On entry normed = norm1(x); on return, that of the next block.
  void Block(const PackedBlock& block, const BlockCalls& calls) {
    Sync();
    for (const HeadsCall& call : calls.qkv) {
      Multiply(call.product);  // panel [M, heads * 3HD]
      Attend(call, block.q_bias);
    }
    Sync();
    Multiply(calls.out);
    Sync();
    ResidualNorm(AddNormArgs(block.out_bias), rows_.first, rows_.last);
    Sync();
    FeedForward(block, calls, images_ * config_.tokens());
    Sync();
    ResidualNorm(AddNormArgs(block.fc2_bias), rows_.first, rows_.last);
  }

  // The last block: keys and values of all rows, everything else for the class token rows alone.
  void LastBlock(const PackedBlock& block, const BlockCalls& calls) {
    const auto row_bytes = static_cast<size_t>(config_.hidden_size) * model::ElementBytes(element_);
    for (int i = 0; i < images_; ++i) {
      const int row = i * config_.tokens();
      if (row < rows_.first || row >= rows_.last) continue;
      std::memcpy(RowOf(shared_.pooled, i, config_.hidden_size),
                  RowOf(shared_.normed, row, config_.hidden_size), row_bytes);
    }
    Sync();
    Multiply(calls.query);  // product [images, my heads * HD]
    for (const HeadsCall& call : calls.qkv) {
      Multiply(call.product);  // panel [M, heads * 2HD]
      AttendPooled(call, calls.query.front().panel(), block.q_bias);
    }
    Sync();
    Multiply(calls.out);
    Sync();
    const Range mine = Share(images_, 1, rank_, size_);
    ResidualNorm(PooledArgs(block.out_bias), mine.first, mine.last);
    Sync();
    FeedForward(block, calls, images_);
    Sync();
  }

  // wide = act(normed W1 + b1), product = wide W2.
  void FeedForward(const PackedBlock& block, const BlockCalls& calls, int rows) {
    for (const MatmulCall& call : calls.fc1) {
      Multiply(call);
      Activate(config_.activation, call.panel(), rows, block.fc1_bias, element_, shared_.wide,
               static_cast<size_t>(config_.mlp_size));
    }
    Sync();
    Multiply(calls.fc2);
  }

  AttentionArgs HeadArgs(const float* q_bias, int head) const {
    AttentionArgs args;
    args.q_bias = q_bias + head * config_.head_dim();
    args.tk = config_.tokens();
    args.head_dim = config_.head_dim();
    args.element = element_;
    args.scratch = plan_.own.attention;
    return args;
  }

  // Attention of the panel's heads: attended [M, D], these heads' columns.
  void Attend(const HeadsCall& call, const float* q_bias) {
    const auto hd = static_cast<size_t>(config_.head_dim());
    const size_t stride = static_cast<size_t>(call.heads) * hd * 3;
    const auto tokens = static_cast<size_t>(config_.tokens());
    for (int i = 0; i < images_; ++i) {
      for (int h = 0; h < call.heads; ++h) {
        const int head = call.first_head + h;
        AttentionArgs args = HeadArgs(q_bias, head);
        args.q = call.product.panel().data + static_cast<size_t>(i) * tokens * stride +
                 static_cast<size_t>(h) * hd * 3;
        args.k = args.q + hd;
        args.v = args.k + hd;
        args.q_stride = args.kv_stride = stride;
        args.tq = config_.tokens();
        args.out = RowOf(shared_.attended, i * config_.tokens(), config_.hidden_size) +
                   static_cast<size_t>(head) * hd * model::ElementBytes(element_);
        args.out_stride = static_cast<size_t>(config_.hidden_size);
        Attention(args);
      }
    }
  }

  // The same with one query an image: attended [images, D].
  void AttendPooled(const HeadsCall& call, const Panel& query, const float* q_bias) {
    const auto hd = static_cast<size_t>(config_.head_dim());
    const size_t stride = static_cast<size_t>(call.heads) * hd * 2;
    const auto tokens = static_cast<size_t>(config_.tokens());
    for (int i = 0; i < images_; ++i) {
      for (int h = 0; h < call.heads; ++h) {
        const int head = call.first_head + h;
        AttentionArgs args = HeadArgs(q_bias, head);
        args.q = query.data + static_cast<size_t>(i) * static_cast<size_t>(query.count) +
                 static_cast<size_t>(head) * hd - static_cast<size_t>(query.first);
        args.k = call.product.panel().data + static_cast<size_t>(i) * tokens * stride +
                 static_cast<size_t>(h) * hd * 2;
        args.v = args.k + hd;
        args.q_stride = static_cast<size_t>(query.count);
        args.kv_stride = stride;
        args.tq = 1;
        args.out = RowOf(shared_.attended, i, config_.hidden_size) +
                   static_cast<size_t>(head) * hd * model::ElementBytes(element_);
        args.out_stride = static_cast<size_t>(config_.hidden_size);
        Attention(args);
      }
    }
  }

  // out = projection(post_norm(x of the class token)).
  void Finish() {
    const Range mine = Share(images_, 1, rank_, size_);
    ResidualNormArgs args = PooledArgs(model_.blocks.back().fc2_bias);
    args.norm = config_.has_post_norm;
    args.affine = model_.post_norm;
    if (config_.projection_dim == 0) {
      args.element = model::Element::kF32;
      args.out = run_.out;
    }
    ResidualNorm(args, mine.first, mine.last);
    if (config_.projection_dim == 0) return;
    Sync();
    for (const MatmulCall& call : plan_.projection) {
      Multiply(call);
      AddBias(call.panel(), images_, model_.projection_bias, run_.out,
              static_cast<size_t>(config_.projection_dim));
    }
  }

  const GroupRun& run_;
  const PackedModel& model_;
  const model::VisionConfig& config_;
  const SharedBuffers& shared_;
  const RankPlan& plan_;
  const dnnl::stream& stream_;
  const int rank_;
  const int size_;
  const int images_;
  const model::Element element_;
  const Range rows_;  // of the residual stream that this rank norms
};

}  // namespace

void Forward(const GroupRun& run, int rank, const dnnl::stream& stream) {
  RankForward(run, rank, stream).Run();
}

}  // namespace photovec::encode::cpu
