// SPDX-License-Identifier: MIT
#include <algorithm>
#include <limits>

#include "encode/cpu/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "encode/cpu/kernels_attention.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway wants it.
#include <hwy/highway.h>

#ifndef PHOTOVEC_ATTENTION_LAYOUT
#define PHOTOVEC_ATTENTION_LAYOUT
namespace photovec::encode::cpu {
namespace {
// Query rows that share each load of a key or value vector: 6 x 4 accumulators fill 32 registers (AVX-512).
constexpr int kRows = 6;
constexpr size_t kLine = 16;  // floats of a cache line and of the widest vector

constexpr size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

struct Layout {  // of the scratch, in floats
  size_t keys;   // tk rounded up
  size_t dims;   // HD rounded up
  size_t k, v, q, scores, total;

  Layout(int tokens, int head_dim)
      : keys(RoundUp(static_cast<size_t>(tokens), kLine)),
        dims(RoundUp(static_cast<size_t>(head_dim), kLine)) {
    k = 0;                      // [dims, keys]
    v = k + dims * keys;        // [keys, dims]
    q = v + keys * dims;        // [kRows, dims]
    scores = q + kRows * dims;  // [kRows, keys]
    total = scores + kRows * keys;
  }
};
}  // namespace
}  // namespace photovec::encode::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace photovec::encode::cpu {
namespace HWY_NAMESPACE {
#include "encode/cpu/simd_math.inc"

#if HWY_TARGET <= HWY_AVX3
constexpr int kVectors = 4;  // 32 registers: 24 accumulators, 4 of b, 1 of a
#else
constexpr int kVectors = 2;  // 16 registers: 12, 2 and 1
#endif

struct Tile {
  const float* a;  // [R, depth], a_stride
  size_t a_stride;
  const float* b;  // [depth, C vectors], b_stride
  size_t b_stride;
  size_t depth;
  float* c;  // [R, C vectors], c_stride
  size_t c_stride;
};

// c = a b. Each element is one chain of fused multiply-adds over depth, so its bits depend neither on R nor
// on C.
template <int R, int C>
HWY_INLINE void Multiply(const Tile& t) {
  const F d;
  const size_t n = VectorFloats();
  VF sum[R][C];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) sum[r][c] = hn::Zero(d);
  }
  const float* b = t.b;
  for (size_t k = 0; k < t.depth; ++k, b += t.b_stride) {
    VF column[C];
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) column[c] = hn::LoadU(d, b + static_cast<size_t>(c) * n);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const VF a = hn::Set(d, t.a[static_cast<size_t>(r) * t.a_stride + k]);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sum[r][c] = hn::MulAdd(a, column[c], sum[r][c]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      hn::StoreU(sum[r][c], d, t.c + static_cast<size_t>(r) * t.c_stride + static_cast<size_t>(c) * n);
    }
  }
}

template <int R>
void MultiplyRows(Tile t, size_t vectors) {
  const size_t n = VectorFloats();
  while (vectors > 0) {
    // Even shares: 13 vectors are 4 + 3 + 3 + 3, never 4 + 4 + 4 + 1.
    const size_t parts = (vectors + kVectors - 1) / kVectors;
    const size_t now = (vectors + parts - 1) / parts;
    switch (now) {
      case 1:
        Multiply<R, 1>(t);
        break;
      case 2:
        Multiply<R, 2>(t);
        break;
#if HWY_TARGET <= HWY_AVX3
      case 3:
        Multiply<R, 3>(t);
        break;
      default:
        Multiply<R, 4>(t);
        break;
#else
      default:
        break;
#endif
    }
    t.b += now * n;
    t.c += now * n;
    vectors -= now;
  }
}

void MultiplyAny(int rows, const Tile& t, size_t vectors) {
  switch (rows) {
    case 1:
      return MultiplyRows<1>(t, vectors);
    case 2:
      return MultiplyRows<2>(t, vectors);
    case 3:
      return MultiplyRows<3>(t, vectors);
    case 4:
      return MultiplyRows<4>(t, vectors);
    case 5:
      return MultiplyRows<5>(t, vectors);
    default:
      return MultiplyRows<6>(t, vectors);
  }
}

// [tokens, HD] to [HD, keys], 4 x 4 at a time; keys beyond tokens are 0.
void TransposeKeys(const float* in, size_t stride, size_t tokens, size_t head_dim, size_t keys, float* out) {
  size_t t = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<float, 4> d4;
  const hn::Repartition<double, decltype(d4)> d2;
  const size_t whole_dims = head_dim / 4 * 4;
  for (; t + 4 <= tokens; t += 4) {
    const float* row = in + t * stride;
    for (size_t c = 0; c < whole_dims; c += 4) {
      const auto r0 = hn::LoadU(d4, row + c);
      const auto r1 = hn::LoadU(d4, row + stride + c);
      const auto r2 = hn::LoadU(d4, row + 2 * stride + c);
      const auto r3 = hn::LoadU(d4, row + 3 * stride + c);
      const auto low01 = hn::BitCast(d2, hn::InterleaveLower(d4, r0, r1));
      const auto low23 = hn::BitCast(d2, hn::InterleaveLower(d4, r2, r3));
      const auto high01 = hn::BitCast(d2, hn::InterleaveUpper(d4, r0, r1));
      const auto high23 = hn::BitCast(d2, hn::InterleaveUpper(d4, r2, r3));
      float* to = out + c * keys + t;
      hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, low01, low23)), d4, to);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, low01, low23)), d4, to + keys);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, high01, high23)), d4, to + 2 * keys);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, high01, high23)), d4, to + 3 * keys);
    }
    for (size_t c = whole_dims; c < head_dim; ++c) {
      for (size_t j = 0; j < 4; ++j) out[c * keys + t + j] = row[j * stride + c];
    }
  }
#endif
  for (; t < keys; ++t) {
    for (size_t c = 0; c < head_dim; ++c) out[c * keys + t] = t < tokens ? in[t * stride + c] : 0.0F;
  }
}

// scores[0, keys) become 2^(score - max), those beyond `tokens` 0; returns 1 / sum.
HWY_INLINE float Softmax(float* scores, size_t tokens, size_t keys) {
  const F d;
  for (size_t j = tokens; j < keys; ++j) scores[j] = -std::numeric_limits<float>::infinity();
  const size_t n = VectorFloats();
  VF top = hn::LoadU(d, scores);
  for (size_t j = n; j < keys; j += n) top = hn::Max(top, hn::LoadU(d, scores + j));
  const VF max = hn::MaxOfLanes(d, top);
  VF sum = hn::Zero(d);
  for (size_t j = 0; j < keys; j += n) {
    const VF p = Exp2(hn::Sub(hn::LoadU(d, scores + j), max));
    hn::StoreU(p, d, scores + j);
    sum = hn::Add(sum, p);
  }
  const float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (size_t j = tokens; j < keys; ++j) scores[j] = 0;  // not the 2^-126 that they have become
  return 1.0F / total;
}

template <typename T>
void AttentionT(const AttentionArgs& args) {
  const F d;
  const Layout layout(args.tk, args.head_dim);
  const auto hd = static_cast<size_t>(args.head_dim);
  const auto tk = static_cast<size_t>(args.tk);
  float* const k = args.scratch + layout.k;
  float* const v = args.scratch + layout.v;
  float* const q = args.scratch + layout.q;
  float* const scores = args.scratch + layout.scores;
  const size_t n = VectorFloats();
  TransposeKeys(args.k, args.kv_stride, tk, hd, layout.keys, k);
  for (size_t t = 0; t < tk; ++t) {
    const float* from = args.v + t * args.kv_stride;
    float* to = v + t * layout.dims;
    ForVectors(
        hd, [&](size_t i) { hn::Store(hn::LoadU(d, from + i), d, to + i); },
        [&](size_t i, size_t count) { hn::Store(LoadPart(from + i, count), d, to + i); });
    for (size_t i = RoundUp(hd, n); i < layout.dims; ++i) to[i] = 0;
  }
  const int blocks = (args.tq + kRows - 1) / kRows;
  for (int block = 0; block < blocks; ++block) {
    const int begin = args.tq * block / blocks;
    const int rows = args.tq * (block + 1) / blocks - begin;
    for (int r = 0; r < rows; ++r) {
      const float* from = args.q + static_cast<size_t>(begin + r) * args.q_stride;
      float* to = q + static_cast<size_t>(r) * layout.dims;
      ForVectors(
          hd,
          [&](size_t i) {
            VF row = hn::LoadU(d, from + i);
            if (args.q_bias != nullptr) row = hn::Add(row, hn::LoadU(d, args.q_bias + i));
            hn::Store(row, d, to + i);
          },
          [&](size_t i, size_t count) {
            VF row = LoadPart(from + i, count);
            if (args.q_bias != nullptr) row = hn::Add(row, LoadPart(args.q_bias + i, count));
            hn::Store(row, d, to + i);
          });
    }
    // What the last row of these sees, all of them compute; what a row must not see weighs nothing.
    const size_t seen = args.causal ? static_cast<size_t>(begin + rows) : tk;
    const size_t seen_keys = RoundUp(seen, n);
    MultiplyAny(rows, {q, layout.dims, k, layout.keys, hd, scores, layout.keys}, seen_keys / n);
    float scale[kRows];
    for (int r = 0; r < rows; ++r) {
      const size_t mine = args.causal ? static_cast<size_t>(begin + r + 1) : tk;
      scale[r] = Softmax(scores + static_cast<size_t>(r) * layout.keys, mine, seen_keys);
    }
    // The queries are spent: their place takes the result.
    MultiplyAny(rows, {scores, layout.keys, v, layout.dims, seen, q, layout.dims}, layout.dims / n);
    for (int r = 0; r < rows; ++r) {
      const VF by = hn::Set(d, scale[r]);
      const float* from = q + static_cast<size_t>(r) * layout.dims;
      T* to = static_cast<T*>(args.out) + static_cast<size_t>(begin + r) * args.out_stride;
      ForVectors(
          hd, [&](size_t i) { StoreElement(hn::Mul(hn::LoadU(d, from + i), by), to + i); },
          [&](size_t i, size_t count) { StorePart(hn::Mul(LoadPart(from + i, count), by), count, to + i); });
    }
  }
}

void AttentionAny(const AttentionArgs& args) {
  if (args.element == model::Element::kF32) {
    AttentionT<float>(args);
  } else {
    AttentionT<uint16_t>(args);
  }
}

const char* Target() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace photovec::encode::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace photovec::encode::cpu {
HWY_EXPORT(AttentionAny);
HWY_EXPORT(Target);

void Attention(const AttentionArgs& args) { HWY_DYNAMIC_DISPATCH(AttentionAny)(args); }
size_t AttentionScratchFloats(int tokens, int head_dim) { return Layout(tokens, head_dim).total; }
const char* KernelTarget() { return HWY_DYNAMIC_DISPATCH(Target)(); }

}  // namespace photovec::encode::cpu
#endif  // HWY_ONCE
