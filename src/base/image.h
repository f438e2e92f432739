// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace photovec {

/// A read-only view of 8-bit RGB pixels: [height, width, 3], interleaved, rows `stride` bytes apart.
struct RgbView {
  const uint8_t* data = nullptr;
  int width = 0;
  int height = 0;
  size_t stride = 0;  ///< bytes from one row to the next, >= 3 * width

  const uint8_t* Row(int y) const { return data + static_cast<size_t>(y) * stride; }
};

/// An owned [height, width, 3] u8 image whose memory is kept and reused by Reset(), so that a decoder that
/// sees many photos allocates only when one is larger than all before. 64-byte aligned. Move-only.
/// Not thread-safe. Contents after Reset() are undefined.
class RgbImage {
 public:
  /// Makes this a width x height image; both > 0. Rows are tight (stride = 3 * width).
  void Reset(int width, int height) {
    const size_t need = static_cast<size_t>(width) * static_cast<size_t>(height) * 3;
    if (need > capacity_) {
      data_.reset();
      data_.reset(static_cast<uint8_t*>(::operator new (need, std::align_val_t{kAlignment})));
      capacity_ = need;
    }
    width_ = width;
    height_ = height;
  }
  /// Gives memory above `bytes` back; the contents are lost when it does.
  void ShrinkTo(size_t bytes) {
    if (capacity_ <= bytes) return;
    data_.reset();
    capacity_ = 0;
    width_ = height_ = 0;
  }

  int width() const { return width_; }
  int height() const { return height_; }
  size_t stride() const { return static_cast<size_t>(width_) * 3; }
  size_t capacity_bytes() const { return capacity_; }
  uint8_t* data() { return data_.get(); }
  uint8_t* Row(int y) { return data_.get() + static_cast<size_t>(y) * stride(); }
  RgbView view() const { return {data_.get(), width_, height_, stride()}; }

 private:
  static constexpr size_t kAlignment = 64;
  struct Free {
    void operator()(uint8_t* p) const { ::operator delete (p, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<uint8_t, Free> data_;
  size_t capacity_ = 0;
  int width_ = 0;
  int height_ = 0;
};

/// How u8 pixels become the floats that the model was trained on: (u8 * rescale - mean[c]) / std[c].
/// Encoders fold it into their first matrix; preprocessing never applies it.
struct PixelNormalization {
  float rescale = 1.0F / 255.0F;
  float mean[3] = {0.0F, 0.0F, 0.0F};
  float std[3] = {1.0F, 1.0F, 1.0F};
};

}  // namespace photovec
