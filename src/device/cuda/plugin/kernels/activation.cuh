// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>

#include "device/cuda/plugin/kernels/elements.cuh"
#include "model/config.h"

namespace photovec::device {

template <model::Activation kActivation>
__device__ __forceinline__ float Act(float x) {
  if constexpr (kActivation == model::Activation::kQuickGelu) {
    return x / (1.0F + __expf(-1.702F * x));
  } else if constexpr (kActivation == model::Activation::kGeluErf) {
    return 0.5F * x * (1.0F + erff(x * 0.70710678F));
  } else if constexpr (kActivation == model::Activation::kSilu) {
    return x / (1.0F + __expf(-x));
  } else {
    const float inner = 0.79788456F * (x + 0.044715F * x * x * x);
    return 0.5F * x * (1.0F + tanhf(inner));
  }
}

/// act(gate + gate_bias) * (up + up_bias).
template <model::Activation kActivation>
__device__ __forceinline__ Eight Gated(Eight gate, const Eight& up, const float* gate_bias,
                                       const float* up_bias) {
  const Eight gate_shift = Load8(gate_bias);
  const Eight up_shift = Load8(up_bias);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    gate.v[i] = Act<kActivation>(gate.v[i] + gate_shift.v[i]) * (up.v[i] + up_shift.v[i]);
  }
  return gate;
}

/// Calls launch(std::integral_constant<model::Activation, …>).
template <typename Launch>
void WithActivation(model::Activation activation, Launch launch) {
  using model::Activation;
  switch (activation) {
    case Activation::kQuickGelu:
      return launch(std::integral_constant<Activation, Activation::kQuickGelu>());
    case Activation::kGeluErf:
      return launch(std::integral_constant<Activation, Activation::kGeluErf>());
    case Activation::kGeluTanh:
      return launch(std::integral_constant<Activation, Activation::kGeluTanh>());
    case Activation::kSilu:
      return launch(std::integral_constant<Activation, Activation::kSilu>());
  }
}

}  // namespace photovec::device
