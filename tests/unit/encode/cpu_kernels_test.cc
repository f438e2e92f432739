// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "base/machine.h"
#include "base/tensor_view.h"
#include "encode/cpu/kernels.h"

namespace photovec::encode::cpu {
namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

Floats Random(size_t count, float scale = 1, float mean = 0) {
  static std::mt19937 random(3);
  std::normal_distribution<float> normal(mean, scale);
  Floats values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// Every kernel on every instruction set that this machine has, down to plain scalar code.
class Kernels : public testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override {
    hwy::SetSupportedTargetsForTest(GetParam());
    ASSERT_STREQ(KernelTarget(), hwy::TargetName(GetParam()));
  }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }
  // With AVX-512, bf16 is stored by AVX512-BF16's instruction.
  static bool CanStoreBf16() { return GetParam() > HWY_AVX3 || ProbeMachine().has_avx512_bf16; }
};

INSTANTIATE_TEST_SUITE_P(Targets, Kernels, testing::ValuesIn(hwy::SupportedAndGeneratedTargets()),
                         [](const auto& info) { return std::string(hwy::TargetName(info.param)); });

float FromBf16(uint16_t bits) { return BFloat16ToFloat(bits); }

TEST_P(Kernels, PatchesAreCutInRowColumnChannelOrder) {
  constexpr int kSize = 28;
  constexpr int kPatch = 14;  // 42 bytes a line: not a multiple of any vector
  std::vector<uint8_t> image(kSize * kSize * 3);
  for (size_t i = 0; i < image.size(); ++i) image[i] = static_cast<uint8_t>(i * 7 % 256);
  constexpr size_t kDepth = kPatch * kPatch * 3;
  Floats f32(4 * kDepth, -1);
  std::vector<uint16_t> bf16(4 * kDepth);
  PixelsToPatches(image.data(), kSize, kPatch, 1, 4, model::Element::kF32, f32.data());
  if (CanStoreBf16()) PixelsToPatches(image.data(), kSize, kPatch, 1, 4, model::Element::kBF16, bf16.data());
  EXPECT_TRUE(std::all_of(f32.begin(), f32.begin() + kDepth, [](float v) { return v == -1; })) << "patch 0";
  for (size_t p = 1; p < 4; ++p) {
    for (size_t i = 0; i < kDepth; ++i) {
      const size_t y = p / 2 * kPatch + i / (kPatch * 3);
      const size_t byte = y * kSize * 3 + p % 2 * kPatch * 3 + i % (kPatch * 3);
      ASSERT_EQ(f32[p * kDepth + i], image[byte]) << p << " " << i;
      if (CanStoreBf16()) {
        ASSERT_EQ(FromBf16(bf16[p * kDepth + i]), image[byte]) << "u8 must be exact in bf16";
      }
    }
  }
}

double Gelu(model::Activation activation, double x) {
  switch (activation) {
    case model::Activation::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
    case model::Activation::kGeluErf:
      return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case model::Activation::kSilu:
      return x / (1 + std::exp(-x));
    default:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
  }
}

constexpr std::array kActivations = {model::Activation::kQuickGelu, model::Activation::kGeluErf,
                                     model::Activation::kGeluTanh, model::Activation::kSilu};

/// One panel's activations, not gated.
void ActivatePanel(model::Activation activation, Panel panel, int rows, const Floats& bias,
                   model::Element element, void* out, size_t out_stride) {
  ActivateArgs args;
  args.activation = activation;
  args.panel = panel;
  args.bias = bias.data();
  args.rows = rows;
  args.element = element;
  args.out = out;
  args.out_stride = out_stride;
  Activate(args);
}

TEST_P(Kernels, ActivationsEqualTheirDefinitions) {
  for (const auto activation : kActivations) {
    Floats in;
    for (float x = -30; x < 30; x += 0.00371F) in.push_back(x);
    for (const float x : {0.0F, -0.0F, 1e-30F, -1e-30F, 1e4F, -1e4F, 3e38F, -3e38F}) in.push_back(x);
    const auto n = static_cast<int>(in.size());  // odd
    const Floats bias(in.size(), 0.25F);
    Floats out(in.size());
    ActivatePanel(activation, {in.data(), 0, n}, 1, bias, model::Element::kF32, out.data(), in.size());
    for (size_t i = 0; i < in.size(); ++i) {
      const double x = static_cast<double>(in[i] + 0.25F);
      ASSERT_NEAR(static_cast<double>(out[i]), Gelu(activation, x), 2.5e-7 * std::max(1.0, std::abs(x)))
          << ActivationName(activation) << " of " << x;
    }
  }
}

TEST_P(Kernels, ActivationsKeepNaN) {
  Floats in(17, std::nanf(""));
  const Floats bias(17, 0);
  for (const auto activation : kActivations) {
    Floats out(17);
    ActivatePanel(activation, {in.data(), 0, 17}, 1, bias, model::Element::kF32, out.data(), 17);
    EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](float v) { return std::isnan(v); }));
  }
}

TEST_P(Kernels, ActivationsGoToTheirColumns) {
  Floats in = Random(3 * 20);
  const Floats bias = Random(50);
  std::vector<uint16_t> bf16(3 * 50, 0x1234);
  if (!CanStoreBf16()) return;
  ActivatePanel(model::Activation::kQuickGelu, {in.data(), 30, 20}, 3, bias, model::Element::kBF16,
                bf16.data(), 50);
  for (size_t r = 0; r < 3; ++r) {
    for (size_t c = 0; c < 50; ++c) {
      if (c < 30) {
        ASSERT_EQ(bf16[r * 50 + c], 0x1234);
        continue;
      }
      const auto x = static_cast<double>(in[r * 20 + c - 30] + bias[c]);
      const double want = Gelu(model::Activation::kQuickGelu, x);
      ASSERT_NEAR(static_cast<double>(FromBf16(bf16[r * 50 + c])), want, std::abs(want) / 250 + 1e-7);
    }
  }
}

TEST_P(Kernels, GatesMultiplyTheOtherHalf) {
  constexpr size_t kCount = 21;
  Floats in = Random(2 * kCount);
  const Floats up = Random(2 * kCount);
  const Floats bias = Random(30);
  const Floats up_bias = Random(30);
  Floats out(2 * 30);
  ActivateArgs args;
  args.activation = model::Activation::kSilu;
  args.panel = {in.data(), 9, static_cast<int>(kCount)};
  args.bias = bias.data();
  args.up = up.data();
  args.up_bias = up_bias.data();
  args.rows = 2;
  args.out = out.data();
  args.out_stride = 30;
  Activate(args);
  for (size_t r = 0; r < 2; ++r) {
    for (size_t c = 0; c < kCount; ++c) {
      const double gate = Gelu(model::Activation::kSilu, in[r * kCount + c] + bias[9 + c]);
      const double want = gate * (up[r * kCount + c] + up_bias[9 + c]);
      ASSERT_NEAR(static_cast<double>(out[r * 30 + 9 + c]), want, 1e-6 * std::max(1.0, std::abs(want)));
    }
  }
}

TEST_P(Kernels, RotationTurnsPairsBehindThePrefix) {
  constexpr size_t kHead = 44;  // halves that no vector divides
  constexpr size_t kHalf = kHead / 2;
  constexpr size_t kStride = 50;
  const Floats before = Random(5 * kStride);
  const Floats bias = Random(kHead);
  const Floats cos = Random(3 * kHalf);
  const Floats sin = Random(3 * kHalf);
  Floats rows = before;
  RotateArgs args;
  args.rows = rows.data();
  args.stride = kStride;
  args.bias = bias.data();
  args.cos = cos.data();
  args.sin = sin.data();
  args.tokens = 5;
  args.prefix = 2;
  args.head_dim = static_cast<int>(kHead);
  Rotate(args);
  for (size_t r = 0; r < 5; ++r) {
    for (size_t i = 0; i < kStride; ++i) {
      const float got = rows[r * kStride + i];
      const auto in = [&](size_t at) { return before[r * kStride + at] + bias[at]; };
      if (i >= kHead) {
        ASSERT_EQ(got, before[r * kStride + i]) << "between the heads";
      } else if (r < 2) {
        ASSERT_EQ(got, in(i));
      } else {
        const size_t pair = i % kHalf;
        const size_t at = (r - 2) * kHalf + pair;
        const float want = i < kHalf ? in(pair)*cos[at] - in(pair + kHalf) * sin[at]
                                     : in(pair + kHalf) * cos[at] + in(pair)*sin[at];
        ASSERT_NEAR(got, want, 2e-6F) << r << " " << i;
      }
    }
  }
}

// x + add + bias, and its norm in double.
struct NormOracle {
  Doubles x, normed;
};
NormOracle Norm(const Floats& x, const Floats& add, const Floats& bias, double eps) {
  NormOracle oracle;
  double mean = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    oracle.x.push_back(static_cast<double>(x[i]) + static_cast<double>(add[i]) +
                       static_cast<double>(bias[i]));
    mean += oracle.x.back() / static_cast<double>(x.size());
  }
  double variance = 0;
  for (const double v : oracle.x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  for (const double v : oracle.x) oracle.normed.push_back((v - mean) / std::sqrt(variance + eps));
  return oracle;
}

TEST_P(Kernels, ResidualNormAddsPanelsAndNorms) {
  for (const int dim : {768, 120, 33, 5}) {
    const auto d = static_cast<size_t>(dim);
    constexpr size_t kRows = 4;
    constexpr size_t kStride = 800;
    Floats x = Random(kRows * kStride, 1, 3);
    for (size_t r = 0; r < kRows; ++r) x[r * kStride + 1] = 200;  // an outlier channel
    const Floats before = x;
    const Floats bias = Random(d);
    const Floats gamma = Random(d);
    const Floats beta = Random(d);
    const int cut = dim / 3;
    Floats left = Random(kRows * static_cast<size_t>(cut));
    Floats right = Random(kRows * static_cast<size_t>(dim - cut));
    const Panel panels[] = {{left.data(), 0, cut}, {right.data(), cut, dim - cut}};
    Floats out(kRows * d);
    ResidualNormArgs args;
    args.add = panels;
    args.bias = bias.data();
    args.x = x.data();
    args.x_stride = kStride;
    args.dim = dim;
    args.eps = 1e-5F;
    args.affine = {gamma.data(), beta.data()};
    args.out = out.data();
    ResidualNorm(args, 1, 3);
    for (size_t r = 0; r < kRows; ++r) {
      const Floats row(before.begin() + static_cast<std::ptrdiff_t>(r * kStride),
                       before.begin() + static_cast<std::ptrdiff_t>(r * kStride + d));
      if (r == 0 || r == 3) {
        EXPECT_TRUE(std::equal(row.begin(), row.end(), x.begin() + static_cast<std::ptrdiff_t>(r * kStride)));
        continue;
      }
      Floats add(left.begin() + static_cast<std::ptrdiff_t>(r) * cut,
                 left.begin() + static_cast<std::ptrdiff_t>(r + 1) * cut);
      add.insert(add.end(), right.begin() + static_cast<std::ptrdiff_t>(r) * (dim - cut),
                 right.begin() + static_cast<std::ptrdiff_t>(r + 1) * (dim - cut));
      const NormOracle oracle = Norm(row, add, bias, 1e-5);
      for (size_t i = 0; i < d; ++i) {
        ASSERT_NEAR(static_cast<double>(x[r * kStride + i]), oracle.x[i], 4e-5);
        const double want = oracle.normed[i] * static_cast<double>(gamma[i]) + static_cast<double>(beta[i]);
        ASSERT_NEAR(static_cast<double>(out[r * d + i]), want, 2e-5 * std::max(1.0, std::abs(want)));
      }
    }
  }
}

TEST_P(Kernels, EmbedPutsPrefixRowsBetweenPatches) {
  constexpr int kDim = 40;
  constexpr int kPatches = 3;
  Floats product = Random(2 * kPatches * kDim);
  const Floats position = Random(kPatches * kDim);
  const Floats prefix = Random(2 * kDim);
  const Panel panel{product.data(), 0, kDim};
  Floats x(2 * 5 * kDim);
  EmbedArgs args;
  args.products = {&panel, 1};
  args.position = position.data();
  args.prefix_rows = prefix.data();
  args.prefix = 2;
  args.patches = kPatches;
  args.dim = kDim;
  args.x = x.data();
  EmbedRows(args, 0, 10);
  for (size_t r = 0; r < 10; ++r) {
    for (size_t i = 0; i < kDim; ++i) {
      const size_t patch = r % 5 - 2;
      const float want = r % 5 < 2
                             ? prefix[r % 5 * kDim + i]
                             : product[(r / 5 * kPatches + patch) * kDim + i] + position[patch * kDim + i];
      ASSERT_EQ(x[r * kDim + i], want) << r << " " << i;
    }
  }
}

Doubles SoftmaxOf(const Doubles& scores) {
  const double max = *std::max_element(scores.begin(), scores.end());
  Doubles p;
  double sum = 0;
  for (const double s : scores) sum += p.emplace_back(std::exp2(s - max));
  for (double& v : p) v /= sum;
  return p;
}

// 64-byte aligned floats.
class Scratch {
 public:
  explicit Scratch(size_t floats)
      : data_(static_cast<float*>(::operator new (floats * 4, std::align_val_t{64}))) {
    std::fill(data_, data_ + floats, std::nanf(""));  // nothing may depend on what was there
  }
  ~Scratch() { ::operator delete (data_, std::align_val_t{64}); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  float* get() { return data_; }

 private:
  float* data_;
};

void ExpectAttention(int tq, int tk, int hd, float score_scale, bool causal = false) {
  const size_t stride = static_cast<size_t>(hd) * 3 + 5;
  const Floats qkv = Random(static_cast<size_t>(tk) * stride, score_scale);
  const Floats bias = Random(static_cast<size_t>(hd));
  const size_t out_stride = static_cast<size_t>(hd) + 3;
  Floats out(static_cast<size_t>(tq) * out_stride, 77);
  Scratch scratch(AttentionScratchFloats(tk, hd));
  AttentionArgs args;
  args.q = qkv.data();
  args.q_bias = bias.data();
  args.k = qkv.data() + hd;
  args.v = qkv.data() + 2 * hd;
  args.q_stride = args.kv_stride = stride;
  args.tq = tq;
  args.tk = tk;
  args.causal = causal;
  args.head_dim = hd;
  args.out = out.data();
  args.out_stride = out_stride;
  args.scratch = scratch.get();
  Attention(args);
  // Scores grow with the square of the scale, and so does their rounding error.
  const double tolerance = 1e-5 * std::max(1.0, static_cast<double>(score_scale * score_scale));
  const auto at = [&](int row, int column) {
    return static_cast<double>(qkv[static_cast<size_t>(row) * stride + static_cast<size_t>(column)]);
  };
  for (int t = 0; t < tq; t += std::max(1, tq / 7)) {
    Doubles scores;
    const int seen = causal ? t + 1 : tk;
    for (int j = 0; j < seen; ++j) {
      double s = 0;
      for (int c = 0; c < hd; ++c)
        s += (at(t, c) + static_cast<double>(bias[static_cast<size_t>(c)])) * at(j, hd + c);
      scores.push_back(s);
    }
    const Doubles p = SoftmaxOf(scores);
    for (int c = 0; c < hd; ++c) {
      double want = 0;
      for (int j = 0; j < seen; ++j) want += p[static_cast<size_t>(j)] * at(j, 2 * hd + c);
      const float got = out[static_cast<size_t>(t) * out_stride + static_cast<size_t>(c)];
      ASSERT_NEAR(static_cast<double>(got), want, tolerance) << tq << " " << tk << " " << hd << " row " << t;
    }
    EXPECT_EQ(out[static_cast<size_t>(t) * out_stride + static_cast<size_t>(hd)], 77)
        << "wrote beyond the head";
  }
}

TEST_P(Kernels, AttentionEqualsItsDefinition) {
  for (const int tk : {1, 2, 5, 16, 17, 50, 65, 197, 257}) ExpectAttention(tk, tk, 64, 0.5F);
  for (const int hd : {1, 3, 16, 40, 72, 80, 128}) ExpectAttention(20, 20, hd, 0.3F);
  ExpectAttention(1, 50, 64, 0.5F);
  ExpectAttention(577, 577, 64, 0.3F);
  ExpectAttention(50, 50, 64, 3.0F);  // scores of some hundreds: the softmax is one-hot and must not overflow
}

TEST_P(Kernels, CausalAttentionSeesNothingBehind) {
  for (const int t : {1, 2, 5, 6, 7, 16, 17, 33, 77}) ExpectAttention(t, t, 64, 0.5F, true);
  ExpectAttention(20, 20, 72, 0.3F, true);
  // What lies behind a row has no part in it, whatever it is.
  constexpr size_t kHd = 64;
  constexpr size_t kTokens = 23;
  Floats qkv = Random(kTokens * kHd * 3, 0.5F);
  const Floats bias(kHd, 0.1F);
  Scratch scratch(AttentionScratchFloats(kTokens, kHd));
  AttentionArgs args;
  args.q = qkv.data();
  args.q_bias = bias.data();
  args.k = qkv.data() + kHd;
  args.v = qkv.data() + 2 * kHd;
  args.q_stride = args.kv_stride = kHd * 3;
  args.causal = true;
  args.head_dim = kHd;
  args.out_stride = kHd;
  args.scratch = scratch.get();
  const auto run = [&](size_t tokens) {
    Floats out(tokens * kHd);
    args.tq = args.tk = static_cast<int>(tokens);
    args.out = out.data();
    Attention(args);
    return out;
  };
  const Floats all = run(kTokens);
  for (size_t t = 1; t < kTokens; ++t) {
    const Floats part = run(t);
    ASSERT_TRUE(std::equal(part.begin(), part.end(), all.begin())) << "of " << t;
  }
}

TEST_P(Kernels, AttentionOfARowDoesNotDependOnItsNeighbours) {
  constexpr int kHd = 64;
  for (const int tk : {50, 197}) {
    const Floats qkv = Random(static_cast<size_t>(tk) * kHd * 3, 0.5F);
    const Floats bias(kHd, 0.1F);
    Scratch scratch(AttentionScratchFloats(tk, kHd));
    AttentionArgs args;
    args.q = qkv.data();
    args.q_bias = bias.data();
    args.k = qkv.data() + kHd;
    args.v = qkv.data() + 2 * kHd;
    args.q_stride = args.kv_stride = kHd * 3;
    args.tk = tk;
    args.head_dim = kHd;
    args.out_stride = kHd;
    args.scratch = scratch.get();
    Floats all(static_cast<size_t>(tk) * kHd);
    args.tq = tk;
    args.out = all.data();
    Attention(args);
    for (int t = 0; t < tk; ++t) {
      Floats one(kHd);
      args.q = qkv.data() + static_cast<size_t>(t) * kHd * 3;
      args.tq = 1;
      args.out = one.data();
      Attention(args);
      ASSERT_TRUE(std::equal(one.begin(), one.end(), all.begin() + t * kHd)) << tk << " tokens, row " << t;
    }
  }
}

TEST_P(Kernels, Bf16IsRoundedToNearestEven) {
  if (!CanStoreBf16()) return;
  Floats in = Random(1000, 10);
  for (const float v : {1.00390625F, 1.01171875F, -1.00390625F, 65504.0F, 0.0F}) in.push_back(v);  // ties
  ResidualNormArgs args;
  args.x = in.data();
  args.x_stride = in.size();
  args.dim = static_cast<int>(in.size());
  args.norm = false;
  args.element = model::Element::kBF16;
  std::vector<uint16_t> out(in.size());
  args.out = out.data();
  ResidualNorm(args, 0, 1);
  for (size_t i = 0; i < in.size(); ++i) ASSERT_EQ(out[i], FloatToBFloat16(in[i])) << in[i];
}

}  // namespace
}  // namespace photovec::encode::cpu
