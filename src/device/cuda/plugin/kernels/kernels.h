// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "model/config.h"
#include "model/fold/element.h"

/// The arithmetic between the matrix products. Every function launches on `stream` and returns the launch's
/// error; none allocates or synchronises, so all can be captured. Pointers are device memory, 16-byte
/// aligned, rows dense unless a stride says otherwise; D, F and P*P*3 padded are multiples of 8. Sums are
/// f32; a row's bits depend on nothing but that row. `void*` buffers hold elements of the given type.
namespace photovec::device {

/// im2col of u8 pixels, scaled by `scale` (a power of two: exact); mean and std are folded into the weights.
/// \param pixels [B,S,S,3] u8.
/// \param out [B*(S/P)^2, depth] elements, columns in (y, x, channel) order;
/// columns from P*P*3 to `depth` are zero.
struct PatchArgs {
  const uint8_t* pixels = nullptr;
  int images = 0;
  int image_size = 0;
  int patch_size = 0;
  int depth = 0;
  float scale = 1;
  void* out = nullptr;
};
cudaError_t Patches(const PatchArgs& args, model::Element element, cudaStream_t stream);

/// A layernorm's scale and shift, [D] f32 each; null: already folded into the next product.
struct Affine {
  const float* gamma = nullptr;
  const float* beta = nullptr;
};

/// Rows in E4M3: value[r, k] = values[r, k] * scales[r], scales[r] being the row's largest magnitude / 448.
struct Fp8Rows {
  uint8_t* values = nullptr;  ///< [rows, columns]
  float* scales = nullptr;    ///< [rows]
};

/// x[b, i] = prefix_rows[i]; x[b, prefix + p] = pre_norm(product[b, p] + position[p]); normed = norm(x).
struct EmbedArgs {
  const void* product = nullptr;       ///< [B, patches, D] elements
  const float* position = nullptr;     ///< [patches, D]
  const float* prefix_rows = nullptr;  ///< [prefix, D]: class token and registers, pre-norm already applied
  int prefix = 0;
  bool pre_norm = false;
  Affine affine;  ///< of the pre-norm
  float eps = 0;
  int images = 0;
  int patches = 0;
  int dim = 0;
  float* x = nullptr;      ///< [B, T, D]
  void* normed = nullptr;  ///< [B, T, D] elements
  Fp8Rows fp8;             ///< [B, T, D]: normed in fp8, from f16 alone; where it is set, normed may be null
};
cudaError_t EmbedRows(const EmbedArgs& args, model::Element element, cudaStream_t stream);

/// x[r] = token_rows[ids[r]] + position[places[r]]; normed = norm(x).
struct EmbedTokensArgs {
  const void* token_rows = nullptr;  ///< [V, D] elements
  const float* position = nullptr;   ///< [max_tokens, D]
  const int* ids = nullptr;          ///< [rows], below V
  const int* places = nullptr;       ///< [rows], below max_tokens
  float eps = 0;
  int rows = 0;
  int dim = 0;
  float* x = nullptr;      ///< [rows, D]
  void* normed = nullptr;  ///< [rows, D] elements
};
cudaError_t EmbedTokens(const EmbedTokensArgs& args, model::Element element, cudaStream_t stream);

/// x += product + bias; out = norm(x), over `rows` rows.
struct ResidualArgs {
  float* x = nullptr;             ///< row r at x + r * x_stride
  size_t x_stride = 0;            ///< in floats
  const void* product = nullptr;  ///< [rows, D] elements
  const float* bias = nullptr;    ///< [D]
  bool norm = true;               ///< false: out = x
  Affine affine;
  float eps = 0;
  int rows = 0;
  int dim = 0;
  void* out = nullptr;  ///< [rows, D] elements, or f32 when out_f32
  bool out_f32 = false;
  Fp8Rows fp8;  ///< [rows, D]: out in fp8, from f16 alone; where it is set, out may be null
};
cudaError_t ResidualNorm(const ResidualArgs& args, model::Element element, cudaStream_t stream);

/// x = act(x + bias) in place.
/// \param x [rows, F] elements.
/// \param bias [F].
/// With `gated_out`, x is [rows, 2F], the gate left of what it gates, as is bias [2F], and
/// gated_out [rows, F] = act(gate + bias) * (up + bias): another buffer than x.
struct ActivateArgs {
  model::Activation activation = model::Activation::kQuickGelu;
  void* x = nullptr;
  const float* bias = nullptr;
  int rows = 0;
  int columns = 0;  ///< F
  bool gated = false;
  void* gated_out = nullptr;  ///< null in ActivateFp8, which has an output of its own
};
cudaError_t Activate(const ActivateArgs& args, model::Element element, cudaStream_t stream);

/// The same to `out` instead of in place, x being f16. columns <= kMostFp8Columns.
cudaError_t ActivateFp8(const ActivateArgs& args, const Fp8Rows& out, cudaStream_t stream);
/// \param in [rows, columns] f16. columns <= kMostFp8Columns.
cudaError_t QuantizeRows(const void* in, int rows, int columns, const Fp8Rows& out, cudaStream_t stream);
constexpr int kMostFp8Columns = 8192;

/// out[i] = in[i * stride], rows of D elements: the class token rows.
cudaError_t GatherRows(const void* in, size_t stride_rows, int rows, int dim, model::Element element,
                       void* out, cudaStream_t stream);

/// out[i] = in[rows[i]], rows of D elements (f32 with Element::kF32).
/// \param rows [count] on the device.
cudaError_t GatherIndexedRows(const void* in, const int* rows, int count, int dim, model::Element element,
                              void* out, cudaStream_t stream);

/// Rotary positions: element i < HD/2 of each of `parts` neighbouring HD-wide groups of a head turns with
/// element i + HD/2, to (a cos - b sin, b cos + a sin), in the rows behind the prefix. In place; HD is a
/// multiple of 16.
struct RotaryArgs {
  void* x = nullptr;         ///< [B, T, …] elements: row t of image b, head h at x + (b T + t) row + h head
  size_t row = 0, head = 0;  ///< in elements
  int parts = 0;             ///< 2: a query and its key; 1: a key
  const float* cosine = nullptr;  ///< [T - prefix, HD/2]
  const float* sine = nullptr;
  int images = 0;
  int tokens = 0;  ///< T
  int prefix = 0;
  int heads = 0;
  int head_dim = 0;
};
cudaError_t Rotate(const RotaryArgs& args, model::Element element, cudaStream_t stream);

/// softmax2(q k^T) v per image and head; scores are in log2 units, log2(e)/sqrt(HD) being folded into q.
/// Strides are in elements. Head h's columns start at h * *_head.
struct AttentionArgs {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  size_t q_row = 0, q_image = 0, q_head = 0;
  size_t kv_row = 0, kv_image = 0, kv_head = 0;
  void* out = nullptr;  ///< row t of image b, head h: out + b * out_image + t * out_row + h * HD
  size_t out_row = 0, out_image = 0;
  int images = 0;
  int heads = 0;
  int head_dim = 0;
  int tq = 0;  ///< queries an image
  int tk = 0;  ///< keys an image
};
/// On tensor cores where element and head size allow (f16, bf16; HD 64 to 104 in eights) and the device has
/// the shared memory (Turing has not, from HD 88 on), else plain.
cudaError_t Attention(const AttentionArgs& args, model::Element element, cudaStream_t stream);
bool AttentionOnTensorCores(const AttentionArgs& args, model::Element element);
cudaError_t AttentionTensorCores(const AttentionArgs& args, model::Element element, cudaStream_t stream);
cudaError_t AttentionPlain(const AttentionArgs& args, model::Element element, cudaStream_t stream);
/// Greatest tk whose scores fit into the shared memory of AttentionPlain and AttentionRanges.
constexpr int kMostPlainKeys = 2048;
constexpr int kMostHead = 256;  ///< of both

/// The same for rows of texts that lie one behind the other, each query with keys of its own: of query i the
/// rows ranges[i].x to ranges[i].y - 1. A causal text's row r has its text's first row to r + 1.
struct RangeAttentionArgs {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  size_t q_row = 0, q_head = 0;
  size_t kv_row = 0, kv_head = 0;
  const int2* ranges = nullptr;  ///< [queries] on the device, none empty
  void* out = nullptr;           ///< [queries, heads * HD]
  int queries = 0;
  int heads = 0;
  int head_dim = 0;   ///< a multiple of 8, at most kMostHead
  int most_keys = 0;  ///< of a range, at most kMostPlainKeys
};
cudaError_t AttentionRanges(const RangeAttentionArgs& args, model::Element element, cudaStream_t stream);

/// [rows, columns] elements, all rows equal, pseudo-random in [-1, 1): for choosing product plans.
cudaError_t FillEqualRows(void* out, int rows, int columns, model::Element element, cudaStream_t stream);
/// The same in E4M3 with FillFp8Scales() as its scales. rows * columns is a multiple of 8.
cudaError_t FillEqualFp8Rows(uint8_t* out, int rows, int columns, cudaStream_t stream);
cudaError_t FillFp8Scales(float* scales, int count, cudaStream_t stream);
/// *different += how many 4-byte words of rows 1.. differ from row 0's. row_bytes % 4 == 0.
cudaError_t CompareRows(const void* in, int rows, size_t row_bytes, unsigned* different, cudaStream_t stream);

}  // namespace photovec::device
