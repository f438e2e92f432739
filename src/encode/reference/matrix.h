// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <vector>

#include "base/tensor_view.h"
#include "model/config.h"
#include "model/vision_model.h"

/// The steps that all towers are made of, in plain loops: f32 values, f64 sums. Pure functions.
namespace photovec::encode::reference {

/// [rows, columns], row-major.
struct Matrix {
  int rows = 0;
  int columns = 0;
  std::vector<float> values;

  Matrix() = default;
  Matrix(int r, int c) : rows(r), columns(c), values(static_cast<size_t>(r) * static_cast<size_t>(c)) {}
  float& at(int r, int c) { return values[Index(r, c)]; }
  float at(int r, int c) const { return values[Index(r, c)]; }
  Matrix Row(int r) const;  ///< [1, columns]

 private:
  size_t Index(int r, int c) const {
    return static_cast<size_t>(r) * static_cast<size_t>(columns) + static_cast<size_t>(c);
  }
};

/// y = x W^T + b; no bias: empty.
struct Linear {
  Matrix weight;  ///< [out, in]
  std::vector<float> bias;
};

struct Norm {
  std::vector<float> gamma, beta;  ///< [D]; empty: no such norm
};

/// Copies of tensors of a checkpoint; those that it does not have stay empty.
std::vector<float> Floats(const TensorView& view);
Matrix ToMatrix(const TensorView& view, int rows, int columns);
Linear ToLinear(const model::Linear& linear, int out, int in);
Norm ToNorm(const model::Norm& norm);

/// x [R, in] -> [R, out]
Matrix Apply(const Linear& linear, const Matrix& x);
/// Each row on its own: (x - mean) / sqrt(variance + eps) * gamma + beta, with the biased variance. An absent
/// norm gives x.
Matrix Apply(const Norm& norm, const Matrix& x, double eps);
float Activate(model::Activation activation, double x);
/// x += scale * update; an empty scale is 1.
void AddScaled(const Matrix& update, const std::vector<float>& scale, Matrix& x);

}  // namespace photovec::encode::reference
