// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/config.h"
#include "model/fold/element.h"

/// The arithmetic around the matrix products, vectorised with Highway and dispatched at run time to the
/// widest instructions of this CPU. All kernels compute in f32 and treat rows independently, so a row's bits
/// depend on nothing but that row. Buffers never overlap unless said; no allocation; thread-safe (no state).
namespace photovec::encode::cpu {

/// Columns [first, first + count) of a matrix, stored densely: row r at data + r * count.
struct Panel {
  float* data = nullptr;
  int first = 0;
  int count = 0;
};

/// Patch rows of one image, u8 as they are (normalisation is folded into the weights).
/// \param image  [S,S,3] u8.
/// \param out [(S/P)*(S/P), P*P*3] elements in (y, x, channel) order; patch rows
/// first_patch <= p < last_patch are written.
void PixelsToPatches(const uint8_t* image, int image_size, int patch_size, int first_patch, int last_patch,
                     model::Element element, void* out);

/// A layernorm's optional scale and shift; null: already folded into the next product.
struct Affine {
  const float* gamma = nullptr;  ///< [D]
  const float* beta = nullptr;   ///< [D]
};

/// Turns patch products into the first residual rows: x = norm(product + position), x's first rows of each
/// image from `prefix_rows`. Source: transformers modeling_clip.py, CLIPVisionEmbeddings and pre_layrnorm;
/// modeling_dinov2_with_registers.py, Dinov2WithRegistersEmbeddings.
struct EmbedArgs {
  std::span<const Panel> products;     ///< together [B*patches, D]
  const float* position = nullptr;     ///< [patches, D], bias of the patch product included
  const float* prefix_rows = nullptr;  ///< [prefix, D], complete (already normed)
  int prefix = 0;                      ///< class token and registers
  bool norm = false;
  Affine affine;
  float eps = 0;
  int patches = 0;
  int dim = 0;
  float* x = nullptr;  ///< [B*T, D]
};
/// Writes rows first <= r < last of x.
void EmbedRows(const EmbedArgs& args, int first, int last);

/// x += add + bias, out = norm(x): the residual connection and the next layernorm in one pass over a row.
struct ResidualNormArgs {
  std::span<const Panel> add;   ///< together [M, D]; empty: nothing is added and x is not written
  const float* bias = nullptr;  ///< [D], with `add`; may be null
  float* x = nullptr;           ///< row r at x + r * x_stride
  size_t x_stride = 0;          ///< floats
  int dim = 0;
  float eps = 0;
  bool norm = true;  ///< false: out = x
  Affine affine;
  model::Element element = model::Element::kF32;
  void* out = nullptr;  ///< [M, D] dense; null: only x is updated
};
void ResidualNorm(const ResidualNormArgs& args, int first, int last);

/// out[r, first + c] = act(panel[r, c] + bias[first + c]) [* (up[r, c] + up_bias[first + c])] for all rows of
/// a panel.
struct ActivateArgs {
  model::Activation activation = model::Activation::kQuickGelu;
  Panel panel;
  const float* bias = nullptr;
  const float* up =
      nullptr;  ///< the same columns of a gated MLP's other half, as dense as the panel; or null
  const float* up_bias = nullptr;
  int rows = 0;
  model::Element element = model::Element::kF32;
  void* out = nullptr;    ///< [rows, out_stride] elements
  size_t out_stride = 0;  ///< elements
};
void Activate(const ActivateArgs& args);

/// out[r, first + c] = panel[r, c] + bias[first + c]; bias may be null.
void AddBias(const Panel& panel, int rows, const float* bias, float* out, size_t out_stride);

/// Rotary positions, in place: rows of one head of one image get their bias, and those behind the prefix
/// turn. Source: transformers modeling_dinov3_vit.py, apply_rotary_pos_emb.
struct RotateArgs {
  float* rows = nullptr;  ///< [tokens, HD], `stride` floats apart
  size_t stride = 0;
  const float* bias = nullptr;  ///< [HD]
  const float* cos = nullptr;   ///< [tokens - prefix, HD/2]
  const float* sin = nullptr;
  int tokens = 0;
  int prefix = 0;
  int head_dim = 0;
};
void Rotate(const RotateArgs& args);

/// Attention of one head of one sequence: out = softmax(q k^T) v, with q already scaled by log2(e)/sqrt(HD):
/// the softmax is taken to base 2. Source: arXiv:1706.03762 §3.2.1.
struct AttentionArgs {
  const float* q = nullptr;       ///< [tq, HD], rows q_stride floats apart
  const float* q_bias = nullptr;  ///< [HD], or null: q is complete
  const float* k = nullptr;       ///< [tk, HD], rows kv_stride floats apart
  const float* v = nullptr;
  size_t q_stride = 0;
  size_t kv_stride = 0;
  int tq = 0;
  int tk = 0;
  bool causal = false;  ///< row i of q sees keys 0..i alone; tq == tk
  int head_dim = 0;
  model::Element element = model::Element::kF32;
  void* out = nullptr;  ///< [tq, HD], rows out_stride elements apart
  size_t out_stride = 0;
  float* scratch = nullptr;  ///< AttentionScratchFloats(), 64-byte aligned
};
void Attention(const AttentionArgs& args);
size_t AttentionScratchFloats(int tokens, int head_dim);

/// Name of the instruction set that the kernels were dispatched to ("AVX3", "AVX2", ...).
const char* KernelTarget();

inline constexpr int kPeakStep = 8192;

/// steps x kPeakStep fused multiply-adds of full vectors in registers, on the calling thread: what the core
/// can do at best. Return the FLOPs done; *sink keeps the compiler honest.
double PeakF32(int steps, float* sink);
/// The same with AVX512-BF16 dot products. Call only where the CPU has them.
double PeakBf16(int steps, float* sink);

}  // namespace photovec::encode::cpu
