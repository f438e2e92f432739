// SPDX-License-Identifier: MIT
#include "encode/cpu/matmul.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "base/machine.h"

namespace photovec::encode::cpu {
namespace {

constexpr int kDepth = 96;
constexpr int kColumns = 128;

/// One product of both kinds on one thread, whatever this CPU would choose.
class MatmulTest : public testing::TestWithParam<Primitive> {
 protected:
  MatmulTest() {
    omp_set_num_threads(1);
    for (size_t i = 0; i < weight_.size(); ++i) weight_[i] = std::sin(static_cast<float>(i) * 0.37F);
    for (size_t i = 0; i < in_.size(); ++i) in_[i] = std::cos(static_cast<float>(i) * 0.11F);
    packed_ = *Arena::Create(layout_.bytes());
    matrix_ = WeightMatrix(engine_, &layout_, weight_, packed_.Take(layout_.bytes()));
  }

  std::vector<float> Run(Columns columns, int rows) {
    std::vector<float> out(static_cast<size_t>(rows) * static_cast<size_t>(columns.count), -1.0F);
    MatmulCall call(engine_, matrix_, columns, rows, in_.data(), out.data());
    Arena scratch = *Arena::Create(call.scratch_bytes() + 1);
    call.BindScratch(engine_, scratch.Take(call.scratch_bytes()));
    EXPECT_TRUE(call.Run(dnnl::stream(engine_)));
    return out;
  }

  double Expected(int row, int column) const {
    double sum = 0;
    for (int k = 0; k < kDepth; ++k) {
      sum += static_cast<double>(in_[static_cast<size_t>(row * kDepth + k)]) *
             static_cast<double>(weight_[static_cast<size_t>(column * kDepth + k)]);
    }
    return sum;
  }

  static constexpr int kMostRows = 37;
  const dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  const WeightLayout layout_{engine_, 32, kDepth, kColumns, model::Element::kF32, GetParam()};
  std::vector<float> weight_ = std::vector<float>(kColumns * kDepth);
  std::vector<float> in_ = std::vector<float>(kMostRows * kDepth);
  Arena packed_;
  WeightMatrix matrix_;
};

TEST_P(MatmulTest, ComputesTheProductForAnyNumberOfRows) {
  for (const int rows : {8, 9, 15, 32, kMostRows}) {
    const std::vector<float> out = Run({0, kColumns}, rows);
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < kColumns; ++c) {
        ASSERT_NEAR(out[static_cast<size_t>(r * kColumns + c)], Expected(r, c), 1e-4)
            << rows << ", " << r << ", " << c;
      }
    }
  }
}

TEST_P(MatmulTest, ACutIsTheSameColumns) {
  const int unit = layout_.column_unit();
  ASSERT_EQ(kColumns % unit, 0);
  const Columns part{kColumns - unit, unit};
  const std::vector<float> out = Run(part, 9);
  for (int r = 0; r < 9; ++r) {
    for (int c = 0; c < unit; ++c) {
      ASSERT_NEAR(out[static_cast<size_t>(r * unit + c)], Expected(r, part.first + c), 1e-4)
          << r << ", " << c;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Primitives, MatmulTest, testing::Values(Primitive::kMatmul, Primitive::kPointwise),
                         [](const auto& info) {
                           return info.param == Primitive::kMatmul ? "Matmul" : "Pointwise";
                         });

TEST(MatmulInSteps, AddsUpAllStepsOfK) {
  omp_set_num_threads(1);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const WeightLayout layout(engine, 32, kDepth, kColumns, model::Element::kF32, Primitive::kMatmul, 32);
  ASSERT_EQ(layout.steps(), 3);
  std::vector<float> weight(kColumns * kDepth);
  std::vector<float> in(9 * kDepth);
  for (size_t i = 0; i < weight.size(); ++i) weight[i] = std::sin(static_cast<float>(i) * 0.37F);
  for (size_t i = 0; i < in.size(); ++i) in[i] = std::cos(static_cast<float>(i) * 0.11F);
  Arena packed = *Arena::Create(layout.bytes());
  const WeightMatrix matrix(engine, &layout, weight, packed.Take(layout.bytes()));
  const int unit = layout.column_unit();
  const Columns columns{kColumns - unit, unit};
  std::vector<float> out(9 * static_cast<size_t>(unit), -1.0F);
  MatmulCall call(engine, matrix, columns, 9, in.data(), out.data());
  Arena scratch = *Arena::Create(call.scratch_bytes() + 1);
  call.BindScratch(engine, scratch.Take(call.scratch_bytes()));
  ASSERT_TRUE(call.Run(dnnl::stream(engine)));
  for (int r = 0; r < 9; ++r) {
    for (int c = 0; c < unit; ++c) {
      double sum = 0;
      for (int k = 0; k < kDepth; ++k) {
        sum += static_cast<double>(in[static_cast<size_t>(r * kDepth + k)]) *
               static_cast<double>(weight[static_cast<size_t>((columns.first + c) * kDepth + k)]);
      }
      ASSERT_NEAR(out[static_cast<size_t>(r * unit + c)], sum, 1e-4) << r << ", " << c;
    }
  }
}

// What the encoder relies on: one of the forms computes all products of a model without a row's neighbours
// changing its bits.
TEST(RowInvariantTest, HoldsForOneOfTheForms) {
  omp_set_num_threads(1);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  constexpr std::array kRows = {8, 9, 50, 400};
  const auto holds = [&](model::Element element, Primitive primitive, int most) {
    for (const auto& [depth, columns] : {std::pair{768, 768}, std::pair{768, 2304}, std::pair{3072, 768}}) {
      const WeightLayout layout(engine, 400, depth, columns, element, primitive, std::min(depth, most));
      if (!RowInvariant(engine, layout, kRows)) return false;
    }
    return true;
  };
  constexpr int kWhole = 3072;
  EXPECT_TRUE(holds(model::Element::kF32, Primitive::kMatmul, kWhole) ||
              holds(model::Element::kF32, Primitive::kPointwise, kWhole));
  const Machine machine = ProbeMachine();
  if (!machine.has_avx512_bf16 && !machine.has_amx_bf16) return;
  EXPECT_TRUE(holds(model::Element::kBF16, Primitive::kMatmul, kWhole) ||
              holds(model::Element::kBF16, Primitive::kMatmul, kAmxStep));
}

}  // namespace
}  // namespace photovec::encode::cpu
