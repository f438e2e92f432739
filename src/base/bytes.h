// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace photovec {

/// Immutable bytes with shared ownership: an uploaded part, a fetched object, a mapped file. Copying
/// shares, never copies bytes. Thread-safe as std::shared_ptr is.
class Bytes {
 public:
  Bytes() = default;
  /// \param owner keeps `view` alive; may be null for static data.
  Bytes(std::shared_ptr<const void> owner, std::span<const uint8_t> view)
      : owner_(std::move(owner)), view_(view) {}

  static Bytes Own(std::string data) {
    auto owner = std::make_shared<const std::string>(std::move(data));
    std::span view(reinterpret_cast<const uint8_t*>(owner->data()), owner->size());
    return {std::move(owner), view};
  }
  static Bytes Own(std::vector<uint8_t> data) {
    auto owner = std::make_shared<const std::vector<uint8_t>>(std::move(data));
    std::span<const uint8_t> view(*owner);
    return {std::move(owner), view};
  }

  std::span<const uint8_t> view() const { return view_; }
  size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  void Reset() { *this = Bytes(); }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const uint8_t> view_;
};

static_assert(std::endian::native == std::endian::little, "vectors go out as little-endian f32");

/// The bytes of `values` as little-endian f32, this machine's own order.
inline std::string_view FloatBytes(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}
inline std::span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace photovec
