// SPDX-License-Identifier: MIT
#include "base/tensor_view.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
namespace photovec {
namespace {

template <typename Convert>
void Widen(const void* data, std::span<float> out, Convert convert) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, bytes + i * sizeof(bits), sizeof(bits));
    out[i] = convert(bits);
  }
}

void WidenElements(DType dtype, const void* data, std::span<float> out) {
  switch (dtype) {
    case DType::kF32:
      std::memcpy(out.data(), data, out.size_bytes());
      return;
    case DType::kF16:
      return Widen(data, out, HalfToFloat);
    case DType::kBF16:
      return Widen(data, out, BFloat16ToFloat);
  }
}

}  // namespace

float BFloat16ToFloat(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

float HalfToFloat(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000U) << 16;
  const int exponent = (bits >> 10) & 0x1F;
  const uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | (mantissa << 13));
  return std::bit_cast<float>(sign | (static_cast<uint32_t>(exponent + 112) << 23) | (mantissa << 13));
}

uint16_t FloatToBFloat16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  bits += 0x7FFFU + ((bits >> 16) & 1U);
  return static_cast<uint16_t>(bits >> 16);
}

uint16_t FloatToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000U);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7E00U);
  if (magnitude >= 65520.0F) return static_cast<uint16_t>(sign | 0x7C00U);
  if (magnitude < 6.103515625e-05F) {  // below 2^-14: a multiple of 2^-24, rounded to even by nearbyint
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(magnitude, 24))));
  }
  uint32_t rest = std::bit_cast<uint32_t>(magnitude) - (112U << 23);
  rest += 0xFFFU + ((rest >> 13) & 1U);
  return static_cast<uint16_t>(sign | (rest >> 13));
}

void TensorView::CopyTo(std::span<float> out) const {
  PHOTOVEC_CHECK(static_cast<int64_t>(out.size()) == elements(), "a tensor of another size");
  WidenElements(dtype, data, out);
}

void TensorView::CopyRowTo(int64_t index, std::span<float> out) const {
  PHOTOVEC_CHECK(shape.size() == 2 && index >= 0 && index < shape[0], "a row that the matrix does not have");
  PHOTOVEC_CHECK(static_cast<int64_t>(out.size()) == shape[1], "a row of another size");
  WidenElements(
      dtype, static_cast<const uint8_t*>(data) + static_cast<size_t>(index) * out.size() * DTypeBytes(dtype),
      out);
}

std::vector<float> TensorView::ToFloats() const {
  std::vector<float> out(static_cast<size_t>(elements()));
  CopyTo(out);
  return out;
}

std::string ShapeToString(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

}  // namespace photovec
