// SPDX-License-Identifier: MIT
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "model/fold/element.h"

namespace photovec::device {

/// Calls visit(static_cast<T*>(nullptr)) with T the element's type.
template <typename Visit>
auto WithElement(model::Element element, Visit visit) {
  switch (element) {
    case model::Element::kF16:
      return visit(static_cast<__half*>(nullptr));
    case model::Element::kBF16:
      return visit(static_cast<__nv_bfloat16*>(nullptr));
    case model::Element::kF32:
      break;
  }
  return visit(static_cast<float*>(nullptr));
}

inline unsigned CeilDiv(size_t a, size_t b) { return static_cast<unsigned>((a + b - 1) / b); }

}  // namespace photovec::device
