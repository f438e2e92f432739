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
        tower_(*run.tower),
        config_(run.tower->config()),
        shared_(run.body->shared),
        body_(run.body->ranks[static_cast<size_t>(rank)]),
        tail_(run.tail->ranks[static_cast<size_t>(rank)]),
        stream_(stream),
        rank_(rank),
        size_(static_cast<int>(run.body->ranks.size())),
        sequences_(static_cast<int>(run.sequences.size())),
        element_(run.tower->element()),
        all_rows_(run.sequences.back().first + run.sequences.back().rows),
        rows_(Share(all_rows_, 1, rank, size_)),
        mine_(Share(sequences_, 1, rank, size_)) {}

  void Run() {
    if (tower_.patches) {
      EmbedImages(*tower_.patches);
    } else {
      EmbedTexts(*tower_.tokens);
    }
    const size_t last = tower_.blocks.size() - 1;
    ResidualNorm(Plain(last == 0), rows_.first, rows_.last);
    for (size_t i = 0; i < last; ++i) Block(tower_.blocks[i], body_.blocks[i], i + 1 == last);
    LastBlock(tower_.blocks[last], body_.blocks[last]);
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
  float* XRow(int row) const {
    return shared_.x + static_cast<size_t>(row) * static_cast<size_t>(config_.hidden_size);
  }

  // x [M, D] = pre_norm(patches W + position): CLIPVisionEmbeddings, pre_layrnorm.
  void EmbedImages(const PackedPatches& from) {
    const int patches = from.config.patches();
    const int depth = from.config.patch_size * from.config.patch_size * 3;
    const Range mine = Share(sequences_ * patches, 1, rank_, size_);
    for (int i = mine.first / patches; i * patches < mine.last; ++i) {
      PixelsToPatches(run_.slots[static_cast<size_t>(i)].data, from.config.image_size, from.config.patch_size,
                      std::max(mine.first - i * patches, 0), std::min(mine.last - i * patches, patches),
                      element_, RowOf(shared_.wide, i * patches, depth));
    }
    Sync();
    Multiply(body_.patch);
    Sync();
    EmbedArgs args;
    args.products = run_.body->products;
    args.position = from.position;
    args.prefix_rows = from.prefix_rows;
    args.prefix = from.config.prefix_tokens();
    args.norm = from.config.has_pre_norm;
    args.affine = from.pre_norm;
    args.eps = config_.layer_norm_eps;
    args.patches = patches;
    args.dim = config_.hidden_size;
    args.x = shared_.x;
    EmbedRows(args, rows_.first, rows_.last);
  }

  // x [M, D] = token rows + position: CLIPTextEmbeddings.
  void EmbedTexts(const PackedTokens& from) {
    const auto dim = static_cast<size_t>(config_.hidden_size);
    for (int i = 0; i < sequences_; ++i) {
      const Sequence& text = run_.sequences[static_cast<size_t>(i)];
      const TokenIds ids = run_.texts[static_cast<size_t>(i)];
      const int end = std::min(rows_.last, text.first + text.rows);
      for (int row = std::max(rows_.first, text.first); row < end; ++row) {
        const auto at = static_cast<size_t>(row - text.first);
        float* x = XRow(row);
        from.rows.CopyRowTo(ids[at], {x, dim});
        const float* position = from.position + at * dim;
        for (size_t c = 0; c < dim; ++c) x[c] += position[c];
      }
    }
  }

  // normed = norm(x); norm1 and norm2 have no scale and shift left.
  ResidualNormArgs Plain(bool before_last) const {
    ResidualNormArgs args;
    args.x = shared_.x;
    args.x_stride = static_cast<size_t>(config_.hidden_size);
    args.dim = config_.hidden_size;
    args.eps = config_.layer_norm_eps;
    args.norm = !before_last || tower_.last_norm;
    args.element = element_;
    args.out = shared_.normed;
    return args;
  }
  // x += product + bias first.
  ResidualNormArgs Adding(const float* bias, bool before_last) const {
    ResidualNormArgs args = Plain(before_last);
    args.add = run_.body->products;
    args.bias = bias;
    return args;
  }
  // The same for the tail: [sequences, D].
  ResidualNormArgs AddingToTail(const float* bias) const {
    ResidualNormArgs args = Adding(bias, false);
    args.x = shared_.tail_x;
    args.out = shared_.tail;
    return args;
  }

  // CLIPEncoderLayer.forward. On entry normed = norm1(x); on return, that of the next block.
  void Block(const PackedBlock& block, const BlockCalls& calls, bool before_last) {
    Sync();
    for (const HeadsCall& call : calls.qkv) {
      Multiply(call.product);  // panel [M, heads * 3HD]
      Attend(call, block);
    }
    Sync();
    Multiply(calls.out);
    Sync();
    ResidualNorm(Adding(block.out_bias, false), rows_.first, rows_.last);
    Sync();
    FeedForward(block, calls.fc1, calls.fc2, all_rows_);
    Sync();
    ResidualNorm(Adding(block.fc2_bias, before_last), rows_.first, rows_.last);
  }

  // tail_x and tail [sequences, D]: residual and normed rows that the tail is computed for. An attention pool
  // adds to nothing, and its query is known.
  void GatherTail() {
    const auto dim = static_cast<size_t>(config_.hidden_size);
    const size_t row_bytes = dim * model::ElementBytes(element_);
    for (int i = 0; i < sequences_; ++i) {
      const Sequence& sequence = run_.sequences[static_cast<size_t>(i)];
      const int row = sequence.first + (tower_.tail == TailRow::kLast ? sequence.rows - 1 : 0);
      if (row < rows_.first || row >= rows_.last) continue;
      float* to = shared_.tail_x + static_cast<size_t>(i) * dim;
      if (tower_.tail == TailRow::kConstant) {
        std::fill_n(to, dim, 0.0F);
        continue;
      }
      std::copy_n(XRow(row), dim, to);
      std::memcpy(RowOf(shared_.tail, i, config_.hidden_size),
                  RowOf(shared_.normed, row, config_.hidden_size), row_bytes);
    }
  }

  // The last block: keys and values of all rows, everything else for one row a sequence alone.
  void LastBlock(const PackedBlock& block, const BlockCalls& calls) {
    GatherTail();
    Sync();
    Multiply(tail_.query);  // product [sequences, my heads * HD]
    for (const HeadsCall& call : calls.qkv) {
      Multiply(call.product);  // panel [M, heads * 2HD]
      AttendTail(call, block);
    }
    Sync();
    Multiply(tail_.out);
    Sync();
    ResidualNorm(AddingToTail(block.out_bias), mine_.first, mine_.last);
    Sync();
    FeedForward(block, tail_.fc1, tail_.fc2, sequences_);
    Sync();
  }

  // wide = act(normed W1 + b1) [* (normed Wu + bu)], product = wide W2.
  void FeedForward(const PackedBlock& block, const std::vector<WideCall>& fc1,
                   const std::vector<MatmulCall>& fc2, int rows) {
    ActivateArgs args;
    args.activation = config_.activation;
    args.bias = block.fc1_bias;
    args.up_bias = block.up_bias;
    args.rows = rows;
    args.element = element_;
    args.out = shared_.wide;
    args.out_stride = static_cast<size_t>(config_.mlp_size);
    for (const WideCall& call : fc1) {
      Multiply(call.product);
      Multiply(call.up);
      args.panel = call.product.panel();
      args.up = call.up.empty() ? nullptr : call.up.front().panel().data;
      Activate(args);
    }
    Sync();
    Multiply(fc2);
  }

  AttentionArgs HeadArgs(const Sequence& sequence, size_t stride) const {
    AttentionArgs args;
    args.kv_stride = stride;
    args.tk = sequence.rows;
    args.head_dim = config_.head_dim();
    args.element = element_;
    args.out_stride = static_cast<size_t>(config_.hidden_size);
    args.scratch = body_.own.attention;
    return args;
  }

  // Queries or keys of one image turn by their place.
  void Turn(float* rows, size_t stride, const float* bias) const {
    RotateArgs args;
    args.rows = rows;
    args.stride = stride;
    args.bias = bias;
    args.cos = tower_.rotary_cos;
    args.sin = tower_.rotary_sin;
    args.tokens = tower_.patches->config.tokens();
    args.prefix = tower_.patches->config.prefix_tokens();
    args.head_dim = config_.head_dim();
    Rotate(args);
  }

  // Attention of the panel's heads: attended [M, D], these heads' columns.
  void Attend(const HeadsCall& call, const PackedBlock& block) {
    const auto hd = static_cast<size_t>(config_.head_dim());
    const size_t stride = static_cast<size_t>(call.heads) * hd * 3;
    for (const Sequence& sequence : run_.sequences) {
      for (int h = 0; h < call.heads; ++h) {
        const size_t column = static_cast<size_t>(call.first_head + h) * hd;
        float* q = call.product.panel().data + static_cast<size_t>(sequence.first) * stride +
                   static_cast<size_t>(h) * hd * 3;
        AttentionArgs args = HeadArgs(sequence, stride);
        args.q = q;
        args.q_bias = block.q_bias + column;
        if (tower_.rotary_cos != nullptr) {
          Turn(q, stride, block.q_bias + column);
          Turn(q + hd, stride, block.k_bias + column);
          args.q_bias = nullptr;
        }
        args.k = q + hd;
        args.v = q + 2 * hd;
        args.q_stride = stride;
        args.tq = sequence.rows;
        args.causal = tower_.causal;
        args.out = RowOf(shared_.attended, sequence.first, config_.hidden_size) +
                   column * model::ElementBytes(element_);
        Attention(args);
      }
    }
  }

  // The same with one query a sequence, which sees all of it: attended [sequences, D].
  void AttendTail(const HeadsCall& call, const PackedBlock& block) {
    const auto hd = static_cast<size_t>(config_.head_dim());
    const size_t stride = static_cast<size_t>(call.heads) * hd * 2;
    for (int i = 0; i < sequences_; ++i) {
      const Sequence& sequence = run_.sequences[static_cast<size_t>(i)];
      for (int h = 0; h < call.heads; ++h) {
        const size_t column = static_cast<size_t>(call.first_head + h) * hd;
        float* k = call.product.panel().data + static_cast<size_t>(sequence.first) * stride +
                   static_cast<size_t>(h) * hd * 2;
        if (tower_.rotary_cos != nullptr) Turn(k, stride, block.k_bias + column);
        AttentionArgs args = HeadArgs(sequence, stride);
        args.q = block.q_bias + column;  // a constant, or else the bias of a product
        if (!tail_.query.empty()) {
          const Panel query = tail_.query.front().panel();
          args.q_bias = args.q;
          args.q = query.data + static_cast<size_t>(i) * static_cast<size_t>(query.count) + column -
                   static_cast<size_t>(query.first);
        }
        args.k = k;
        args.v = k + hd;
        args.tq = 1;
        args.out = RowOf(shared_.attended, i, config_.hidden_size) + column * model::ElementBytes(element_);
        Attention(args);
      }
    }
  }

  // out = projection(post_norm(tail_x)).
  void Finish() {
    ResidualNormArgs args = AddingToTail(tower_.blocks.back().fc2_bias);
    const bool projects = tower_.projection_bias != nullptr;
    args.norm = tower_.final_norm;
    args.affine = tower_.post_norm;
    if (!projects) {
      args.element = model::Element::kF32;
      args.out = run_.out;
    }
    ResidualNorm(args, mine_.first, mine_.last);
    if (!projects) return;
    Sync();
    for (const MatmulCall& call : tail_.projection) {
      Multiply(call);
      AddBias(call.panel(), sequences_, tower_.projection_bias, run_.out,
              static_cast<size_t>(tower_.embedding_dim));
    }
  }

  const GroupRun& run_;
  const PackedTower& tower_;
  const model::TransformerConfig& config_;
  const SharedBuffers& shared_;
  const BodyPlan::Rank& body_;
  const TailCalls& tail_;
  const dnnl::stream& stream_;
  const int rank_;
  const int size_;
  const int sequences_;
  const model::Element element_;
  const int all_rows_;
  const Range rows_;  // of the residual stream that this rank norms
  const Range mine_;  // of the tail
};

}  // namespace

void Forward(const GroupRun& run, int rank, const dnnl::stream& stream) {
  RankForward(run, rank, stream).Run();
}

}  // namespace photovec::encode::cpu
