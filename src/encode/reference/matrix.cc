// SPDX-License-Identifier: MIT
#include "encode/reference/matrix.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace photovec::encode::reference {

Matrix Matrix::Row(int r) const {
  Matrix row(1, columns);
  std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(Index(r, 0)), columns, row.values.begin());
  return row;
}

std::vector<float> Floats(const TensorView& view) {
  return view.present() ? view.ToFloats() : std::vector<float>();
}

Matrix ToMatrix(const TensorView& view, int rows, int columns) {
  if (!view.present()) return {};
  Matrix matrix(rows, columns);
  view.CopyTo(matrix.values);
  return matrix;
}

Linear ToLinear(const model::Linear& linear, int out, int in) {
  return {ToMatrix(linear.weight, out, in), Floats(linear.bias)};
}

Norm ToNorm(const model::Norm& norm) { return {Floats(norm.gamma), Floats(norm.beta)}; }

Matrix Apply(const Linear& linear, const Matrix& x) {
  Matrix y(x.rows, linear.weight.rows);
  for (int r = 0; r < x.rows; ++r) {
    for (int o = 0; o < y.columns; ++o) {
      double sum = linear.bias.empty() ? 0.0 : linear.bias[static_cast<size_t>(o)];
      for (int i = 0; i < x.columns; ++i) {
        sum += static_cast<double>(x.at(r, i)) * static_cast<double>(linear.weight.at(o, i));
      }
      y.at(r, o) = static_cast<float>(sum);
    }
  }
  return y;
}

Matrix Apply(const Norm& norm, const Matrix& x, double eps) {
  if (norm.gamma.empty()) return x;
  Matrix y(x.rows, x.columns);
  for (int r = 0; r < x.rows; ++r) {
    double sum = 0.0;
    for (int c = 0; c < x.columns; ++c) sum += x.at(r, c);
    const double mean = sum / x.columns;
    double squares = 0.0;
    for (int c = 0; c < x.columns; ++c) squares += (x.at(r, c) - mean) * (x.at(r, c) - mean);
    const double scale = 1.0 / std::sqrt(squares / x.columns + eps);
    for (int c = 0; c < x.columns; ++c) {
      const auto i = static_cast<size_t>(c);
      y.at(r, c) = static_cast<float>((x.at(r, c) - mean) * scale * norm.gamma[i] + norm.beta[i]);
    }
  }
  return y;
}

float Activate(model::Activation activation, double x) {
  switch (activation) {
    case model::Activation::kQuickGelu:
      return static_cast<float>(x / (1.0 + std::exp(-1.702 * x)));
    case model::Activation::kGeluErf:
      return static_cast<float>(0.5 * x * (1.0 + std::erf(x / std::numbers::sqrt2)));
    case model::Activation::kGeluTanh: {
      const double inner = std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x);
      return static_cast<float>(0.5 * x * (1.0 + std::tanh(inner)));
    }
    case model::Activation::kSilu:
      return static_cast<float>(x / (1.0 + std::exp(-x)));
  }
  return 0.0F;
}

void AddScaled(const Matrix& update, const std::vector<float>& scale, Matrix& x) {
  for (int r = 0; r < x.rows; ++r) {
    for (int c = 0; c < x.columns; ++c) {
      x.at(r, c) += scale.empty() ? update.at(r, c) : scale[static_cast<size_t>(c)] * update.at(r, c);
    }
  }
}

}  // namespace photovec::encode::reference
