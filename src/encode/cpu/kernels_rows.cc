// SPDX-License-Identifier: MIT
#include <cmath>
#include <cstring>

#include "encode/cpu/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "encode/cpu/kernels_rows.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway wants it.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace photovec::encode::cpu {
namespace HWY_NAMESPACE {
#include "encode/cpu/simd_math.inc"

constexpr float kLog2E = 1.44269504088896F;

template <typename T>
void PatchesT(const uint8_t* image, int size, int patch, int first, int last, T* out) {
  const F d;
  const hn::Rebind<int32_t, F> di;
  const hn::Rebind<uint8_t, F> du8;
  const auto line = static_cast<size_t>(patch) * 3;  // bytes of one patch row, also elements
  const size_t stride = static_cast<size_t>(size) * 3;
  const int across = size / patch;
  for (int p = first; p < last; ++p) {
    const uint8_t* from =
        image + static_cast<size_t>(p / across * patch) * stride + static_cast<size_t>(p % across) * line;
    T* to = out + static_cast<size_t>(p) * line * static_cast<size_t>(patch);
    for (int y = 0; y < patch; ++y, from += stride, to += line) {
      ForVectors(
          line,
          [&](size_t i) {
            StoreElement(hn::ConvertTo(d, hn::PromoteTo(di, hn::LoadU(du8, from + i))), to + i);
          },
          [&](size_t i, size_t count) {
            HWY_ALIGN float wide[hn::MaxLanes(F())] = {};
            for (size_t j = 0; j < count; ++j) wide[j] = from[i + j];
            StorePart(hn::Load(d, wide), count, to + i);
          });
    }
  }
}

void Patches(const uint8_t* image, int size, int patch, int first, int last, model::Element element,
             void* out) {
  if (element == model::Element::kF32) {
    PatchesT(image, size, patch, first, last, static_cast<float*>(out));
  } else {
    PatchesT(image, size, patch, first, last, static_cast<uint16_t*>(out));
  }
}

// Mean and 1/sqrt(variance + eps) of a row, in two passes: no cancellation on outlier channels.
HWY_INLINE void Moments(const float* row, size_t dim, VF total, float tail, float eps, float& mean,
                        float& scale) {
  const F d;
  mean = (hn::GetLane(hn::SumOfLanes(d, total)) + tail) / static_cast<float>(dim);
  const VF center = hn::Set(d, mean);
  VF squares0 = hn::Zero(d);
  VF squares1 = hn::Zero(d);
  const size_t step = VectorFloats();
  size_t i = 0;
  for (; i + 2 * step <= dim; i += 2 * step) {
    const VF a = hn::Sub(hn::LoadU(d, row + i), center);
    const VF b = hn::Sub(hn::LoadU(d, row + i + step), center);
    squares0 = hn::MulAdd(a, a, squares0);
    squares1 = hn::MulAdd(b, b, squares1);
  }
  float rest = 0;
  for (; i < dim; ++i) rest += (row[i] - mean) * (row[i] - mean);
  const float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(squares0, squares1))) + rest;
  scale = 1.0F / std::sqrt(sum / static_cast<float>(dim) + eps);
}

HWY_INLINE void RowSum(const float* row, size_t dim, VF& total, float& tail) {
  const F d;
  total = hn::Zero(d);
  tail = 0;
  ForVectors(
      dim, [&](size_t i) { total = hn::Add(total, hn::LoadU(d, row + i)); },
      [&](size_t i, size_t count) {
        for (size_t j = 0; j < count; ++j) tail += row[i + j];
      });
}

// out = (row - mean) * scale [* gamma + beta]; `out` may be `row`.
template <typename T>
HWY_INLINE void WriteNormed(const float* row, size_t dim, float mean, float scale, const Affine& affine,
                            T* out) {
  const F d;
  const VF by = hn::Set(d, scale);
  const VF center = hn::Set(d, mean);
  const bool plain = affine.gamma == nullptr;
  ForVectors(
      dim,
      [&](size_t i) {
        VF v = hn::Mul(hn::Sub(hn::LoadU(d, row + i), center), by);
        if (!plain) v = hn::MulAdd(v, hn::LoadU(d, affine.gamma + i), hn::LoadU(d, affine.beta + i));
        StoreElement(v, out + i);
      },
      [&](size_t i, size_t count) {
        VF v = hn::Mul(hn::Sub(LoadPart(row + i, count), center), by);
        if (!plain) v = hn::MulAdd(v, LoadPart(affine.gamma + i, count), LoadPart(affine.beta + i, count));
        StorePart(v, count, out + i);
      });
}

template <typename T>
HWY_INLINE void Copy(const float* row, size_t dim, T* out) {
  ForVectors(
      dim, [&](size_t i) { StoreElement(hn::LoadU(F(), row + i), out + i); },
      [&](size_t i, size_t count) { StorePart(LoadPart(row + i, count), count, out + i); });
}

// x[0, count) += add [+ bias]
HWY_INLINE void AddInto(float* x, const float* add, const float* bias, size_t n) {
  const F d;
  ForVectors(
      n,
      [&](size_t i) {
        VF v = hn::LoadU(d, add + i);
        if (bias != nullptr) v = hn::Add(v, hn::LoadU(d, bias + i));
        hn::StoreU(hn::Add(hn::LoadU(d, x + i), v), d, x + i);
      },
      [&](size_t i, size_t count) {
        for (size_t j = i; j < i + count; ++j) x[j] += bias != nullptr ? add[j] + bias[j] : add[j];
      });
}

template <typename T>
void ResidualNormT(const ResidualNormArgs& args, int first, int last) {
  const auto dim = static_cast<size_t>(args.dim);
  for (int r = first; r < last; ++r) {
    float* row = args.x + static_cast<size_t>(r) * args.x_stride;
    for (const Panel& panel : args.add) {
      const auto begin = static_cast<size_t>(panel.first);
      const auto count = static_cast<size_t>(panel.count);
      AddInto(row + begin, panel.data + static_cast<size_t>(r) * count,
              args.bias == nullptr ? nullptr : args.bias + begin, count);
    }
    if (args.out == nullptr) continue;
    T* out = static_cast<T*>(args.out) + static_cast<size_t>(r) * dim;
    if (!args.norm) {
      Copy(row, dim, out);
      continue;
    }
    VF total;
    float tail;
    float mean;
    float scale;
    RowSum(row, dim, total, tail);
    Moments(row, dim, total, tail, args.eps, mean, scale);
    WriteNormed(row, dim, mean, scale, args.affine, out);
  }
}

void ResidualNormAll(const ResidualNormArgs& args, int first, int last) {
  if (args.element == model::Element::kF32) {
    ResidualNormT<float>(args, first, last);
  } else {
    ResidualNormT<uint16_t>(args, first, last);
  }
}

void EmbedAll(const EmbedArgs& args, int first, int last) {
  const auto dim = static_cast<size_t>(args.dim);
  const int tokens = args.patches + args.prefix;
  for (int r = first; r < last; ++r) {
    float* row = args.x + static_cast<size_t>(r) * dim;
    const int patch = r % tokens - args.prefix;
    if (patch < 0) {
      std::memcpy(row, args.prefix_rows + static_cast<size_t>(r % tokens) * dim, dim * sizeof(float));
      continue;
    }
    const auto product =
        static_cast<size_t>(r / tokens) * static_cast<size_t>(args.patches) + static_cast<size_t>(patch);
    std::memcpy(row, args.position + static_cast<size_t>(patch) * dim, dim * sizeof(float));
    for (const Panel& panel : args.products) {
      const auto count = static_cast<size_t>(panel.count);
      AddInto(row + panel.first, panel.data + product * count, nullptr, count);
    }
    if (!args.norm) continue;
    VF total;
    float tail;
    float mean;
    float scale;
    RowSum(row, dim, total, tail);
    Moments(row, dim, total, tail, args.eps, mean, scale);
    WriteNormed(row, dim, mean, scale, args.affine, row);
  }
}

struct Swish {  // x * sigmoid(beta x)
  float beta;
  VF operator()(VF x) const {
    const F d;
    const VF e = Exp2(hn::Min(hn::Mul(x, hn::Set(d, -beta * kLog2E)), hn::Set(d, 126.0F)));
    return hn::Mul(x, Reciprocal(hn::Add(e, hn::Set(d, 1.0F))));
  }
};

struct GeluTanh {  // 0.5 x (1 + tanh u) = x * sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3)
  VF operator()(VF x) const {
    const F d;
    const VF cube = hn::MulAdd(hn::Mul(x, x), hn::Set(d, 0.044715F), hn::Set(d, 1.0F));
    const VF u = hn::Mul(hn::Mul(x, cube), hn::Set(d, -2.0F * 0.7978845608F * kLog2E));
    const VF e = Exp2(hn::Min(u, hn::Set(d, 126.0F)));
    return hn::Mul(x, Reciprocal(hn::Add(e, hn::Set(d, 1.0F))));
  }
};

// x * Phi(x) = max(x, 0) - |x|/2 * erfc(|x|/sqrt 2). Source: Abramowitz & Stegun 7.1.26, |error of erfc|
// < 1.5e-7.
struct GeluErf {
  VF operator()(VF x) const {
    const F d;
    const VF a = hn::Abs(x);
    const VF one = hn::Set(d, 1.0F);
    const VF t = Reciprocal(hn::MulAdd(a, hn::Set(d, 0.3275911F * 0.70710678119F), one));
    VF p = hn::Set(d, 1.061405429F);
    p = hn::MulAdd(p, t, hn::Set(d, -1.453152027F));
    p = hn::MulAdd(p, t, hn::Set(d, 1.421413741F));
    p = hn::MulAdd(p, t, hn::Set(d, -0.284496736F));
    p = hn::MulAdd(p, t, hn::Set(d, 0.254829592F));
    const VF e = Exp2(hn::Mul(hn::Mul(x, x), hn::Set(d, -0.5F * kLog2E)));
    const VF half_erfc = hn::Mul(hn::Mul(p, t), hn::Mul(e, hn::Set(d, 0.5F)));
    return hn::NegMulAdd(a, half_erfc, hn::Max(x, hn::Zero(d)));
  }
};

template <typename Act, typename T>
void ActivateT(Act act, const ActivateArgs& args, T* out) {
  const F d;
  const auto count = static_cast<size_t>(args.panel.count);
  const float* bias = args.bias + args.panel.first;
  const float* up_bias = args.up_bias + (args.up == nullptr ? 0 : args.panel.first);
  out += args.panel.first;
  for (int r = 0; r < args.rows; ++r) {
    const size_t at = static_cast<size_t>(r) * count;
    const float* in = args.panel.data + at;
    T* to = out + static_cast<size_t>(r) * args.out_stride;
    if (args.up == nullptr) {
      ForVectors(
          count,
          [&](size_t i) { StoreElement(act(hn::Add(hn::LoadU(d, in + i), hn::LoadU(d, bias + i))), to + i); },
          [&](size_t i, size_t n) {
            StorePart(act(hn::Add(LoadPart(in + i, n), LoadPart(bias + i, n))), n, to + i);
          });
      continue;
    }
    const float* up = args.up + at;
    ForVectors(
        count,
        [&](size_t i) {
          const VF by = hn::Add(hn::LoadU(d, up + i), hn::LoadU(d, up_bias + i));
          StoreElement(hn::Mul(act(hn::Add(hn::LoadU(d, in + i), hn::LoadU(d, bias + i))), by), to + i);
        },
        [&](size_t i, size_t n) {
          const VF by = hn::Add(LoadPart(up + i, n), LoadPart(up_bias + i, n));
          StorePart(hn::Mul(act(hn::Add(LoadPart(in + i, n), LoadPart(bias + i, n))), by), n, to + i);
        });
  }
}

template <typename T>
void ActivateKind(const ActivateArgs& args, T* out) {
  switch (args.activation) {
    case model::Activation::kQuickGelu:
      return ActivateT(Swish{1.702F}, args, out);
    case model::Activation::kGeluErf:
      return ActivateT(GeluErf(), args, out);
    case model::Activation::kGeluTanh:
      return ActivateT(GeluTanh(), args, out);
    case model::Activation::kSilu:
      return ActivateT(Swish{1}, args, out);
  }
}

void ActivateAll(const ActivateArgs& args) {
  if (args.element == model::Element::kF32) {
    ActivateKind(args, static_cast<float*>(args.out));
  } else {
    ActivateKind(args, static_cast<uint16_t*>(args.out));
  }
}

void RotateAll(const RotateArgs& args) {
  const F d;
  const auto dims = static_cast<size_t>(args.head_dim);
  const size_t half = dims / 2;
  const float* const low_bias = args.bias;
  const float* const high_bias = args.bias + half;
  for (int t = 0; t < args.tokens; ++t) {
    float* low = args.rows + static_cast<size_t>(t) * args.stride;
    float* high = low + half;
    if (t < args.prefix) {
      for (size_t i = 0; i < dims; ++i) low[i] += args.bias[i];
      continue;
    }
    const size_t at = static_cast<size_t>(t - args.prefix) * half;
    ForVectors(
        half,
        [&](size_t i) {
          const VF a = hn::Add(hn::LoadU(d, low + i), hn::LoadU(d, low_bias + i));
          const VF b = hn::Add(hn::LoadU(d, high + i), hn::LoadU(d, high_bias + i));
          const VF cos = hn::LoadU(d, args.cos + at + i);
          const VF sin = hn::LoadU(d, args.sin + at + i);
          hn::StoreU(hn::NegMulAdd(b, sin, hn::Mul(a, cos)), d, low + i);
          hn::StoreU(hn::MulAdd(a, sin, hn::Mul(b, cos)), d, high + i);
        },
        [&](size_t i, size_t count) {
          for (size_t j = i; j < i + count; ++j) {
            const float a = low[j] + low_bias[j];
            const float b = high[j] + high_bias[j];
            low[j] = a * args.cos[at + j] - b * args.sin[at + j];
            high[j] = b * args.cos[at + j] + a * args.sin[at + j];
          }
        });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace photovec::encode::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace photovec::encode::cpu {
HWY_EXPORT(Patches);
HWY_EXPORT(ResidualNormAll);
HWY_EXPORT(EmbedAll);
HWY_EXPORT(ActivateAll);
HWY_EXPORT(RotateAll);

void PixelsToPatches(const uint8_t* image, int image_size, int patch_size, int first_patch, int last_patch,
                     model::Element element, void* out) {
  HWY_DYNAMIC_DISPATCH(Patches)(image, image_size, patch_size, first_patch, last_patch, element, out);
}

void EmbedRows(const EmbedArgs& args, int first, int last) {
  HWY_DYNAMIC_DISPATCH(EmbedAll)(args, first, last);
}

void ResidualNorm(const ResidualNormArgs& args, int first, int last) {
  HWY_DYNAMIC_DISPATCH(ResidualNormAll)(args, first, last);
}

void Activate(const ActivateArgs& args) { HWY_DYNAMIC_DISPATCH(ActivateAll)(args); }

void Rotate(const RotateArgs& args) { HWY_DYNAMIC_DISPATCH(RotateAll)(args); }

void AddBias(const Panel& panel, int rows, const float* bias, float* out, size_t out_stride) {
  const auto count = static_cast<size_t>(panel.count);
  for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
    for (size_t c = 0; c < count; ++c) {
      const size_t column = static_cast<size_t>(panel.first) + c;
      out[r * out_stride + column] = panel.data[r * count + c] + (bias == nullptr ? 0.0F : bias[column]);
    }
  }
}

}  // namespace photovec::encode::cpu
#endif  // HWY_ONCE
