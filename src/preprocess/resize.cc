// SPDX-License-Identifier: MIT
#include "preprocess/resize.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "preprocess/aligned_buffer.h"
#include "preprocess/geometry.h"
#include "preprocess/kernels.h"
#include "preprocess/squash.h"
#include "preprocess/taps.h"

namespace photovec::preprocess {
namespace {

/// The last few pair rows of an image that is produced from top to bottom and read by a window that slides
/// down.
class PairRing {
 public:
  /// \param capacity how many pair rows are kept.
  void Reset(int capacity, size_t lanes) {
    capacity_ = static_cast<size_t>(capacity);
    stride_ = lanes;
    rows_ = memory_.Reserve(capacity_ * stride_);
  }
  int32_t* Row(int pair) { return rows_ + static_cast<size_t>(pair) % capacity_ * stride_; }
  /// The addresses of `count` rows from `first` on, valid until the next call.
  const int32_t* const* Window(int first, int count) {
    window_.clear();
    for (int p = first; p < first + count; ++p) window_.push_back(Row(p));
    return window_.data();
  }

 private:
  AlignedBuffer<int32_t> memory_;
  std::vector<const int32_t*> window_;
  int32_t* rows_ = nullptr;
  size_t capacity_ = 0;
  size_t stride_ = 0;
};

// Lanes of a strip: with the pair rows of a usual window it stays in the second-level cache.
constexpr size_t kStripLanes = 1536;

}  // namespace

class Preprocessor::Impl {
 public:
  Status Run(const DecodedPhoto& photo, const Spec& spec, std::span<uint8_t> out) {
    if (out.size() != spec.slot_bytes()) {
      return {Code::kInternal, "preprocess: a slot of " + std::to_string(out.size()) + " bytes instead of " +
                                   std::to_string(spec.slot_bytes())};
    }
    ASSIGN_OR_RETURN(const ResizePlan plan, MakeResizePlan(photo, spec));
    if (spec.mode == ResizeMode::kSquash) {
      squasher_.Run(photo.pixels, plan, out.data());
      return Status::Ok();
    }
    if (plan.x.key.out_count < spec.crop || plan.y.key.out_count < spec.crop) {
      std::memset(out.data(), 0, out.size());
    }
    const Output to{out.data() + (static_cast<size_t>(plan.y.pad) * static_cast<size_t>(spec.crop) +
                                  static_cast<size_t>(plan.x.pad)) *
                                     3,
                    static_cast<size_t>(spec.crop) * 3};
    const TapTable& x = cache_.Get(plan.x.key);
    const TapTable& y = cache_.Get(plan.y.key);
    if (plan.transposed) {
      ResizeTransposed(photo.pixels, x, y, to);
    } else {
      ResizeUpright(photo.pixels, x, y, to);
    }
    return Status::Ok();
  }

 private:
  struct Output {
    uint8_t* data;  // the first pixel that the photo fills
    size_t stride;
  };

  // x runs along the source's rows: blocks of 16 source rows are filtered to the final width and go, paired,
  // into the ring; an output row is made as soon as its window is there.
  void ResizeUpright(const RgbView& pixels, const TapTable& x, const TapTable& y, const Output& out) {
    const size_t lanes = x.taps.size() * 3;
    ring_.Reset(y.max_pairs + kBlockPairs, RoundUpLanes(lanes));
    int16_t* const block = block_.Reserve((lanes + 3) / 4 * 4 * kBlockRows);
    uint8_t* const line = line_.Reserve(RoundUpLanes(lanes));
    const RgbView kept{pixels.data + static_cast<size_t>(x.first_in) * 3, pixels.width - x.first_in,
                       pixels.height, pixels.stride};
    int produced = 0;  // pair rows
    for (const Tap& tap : y.taps) {
      while (produced < tap.first_pair + tap.pairs) {
        FilterBlock(kept, y.first_in + 2 * produced, x, block);
        std::array<int32_t*, kBlockPairs> rows{};
        for (int q = 0; q < kBlockPairs; ++q) rows[static_cast<size_t>(q)] = ring_.Row(produced + q);
        BlockToPairRows(block, lanes, rows.data());
        produced += kBlockPairs;
      }
      FilterRow(tap, y.coefs.data() + tap.coefs, ring_.Window(tap.first_pair, tap.pairs), RoundUpLanes(lanes),
                line);
      std::memcpy(out.data + static_cast<size_t>(tap.out) * out.stride, line, lanes);
    }
  }

  // x runs along the source's columns. Pillow filters x first and rounds, so here the pass over source rows
  // comes first; its result has one row per output column. Then blocks of 16 of these become 16 output
  // columns.
  void ResizeTransposed(const RgbView& pixels, const TapTable& x, const TapTable& y, const Output& out) {
    const size_t kept = static_cast<size_t>(y.end_in - y.first_in) * 3;
    const size_t stride = RoundUpLanes(kept);
    const size_t width = x.taps.size();
    const size_t height = y.taps.size();
    uint8_t* const turned = turned_.Reserve(width * stride);
    const size_t first_byte = static_cast<size_t>(y.first_in) * 3;
    for (size_t at = 0; at < kept; at += kStripLanes) {
      FilterStrip(pixels, {first_byte + at, std::min(kStripLanes, kept - at)}, x, turned + at, stride);
    }
    constexpr size_t kBlockBytes = size_t{kBlockRows} * 3;
    int16_t* const block = block_.Reserve(height * kBlockBytes);
    uint8_t* const line = line_.Reserve(height * kBlockBytes);
    const RgbView between{turned, y.end_in - y.first_in, static_cast<int>(width), stride};
    for (size_t first = 0; first < width; first += kBlockRows) {
      FilterBlock(between, static_cast<int>(first), y, block);
      BlockToPixels(block, static_cast<int>(height), line, kBlockBytes);
      const size_t bytes = std::min(kBlockBytes, (width - first) * 3);
      for (size_t i = 0; i < height; ++i) {
        std::memcpy(out.data + i * out.stride + first * 3, line + i * kBlockBytes, bytes);
      }
    }
  }

  // Filters the 16 rows from `first_row` on; column 0 of the image is the table's first input. Rows beyond
  // the image repeat the last one: no tap uses them, except with a coefficient of zero.
  void FilterBlock(const RgbView& image, int first_row, const TapTable& table, int16_t* block) {
    std::array<const uint8_t*, kBlockRows> rows{};
    for (int r = 0; r < kBlockRows; ++r) {
      rows[static_cast<size_t>(r)] = image.Row(std::min(first_row + r, image.height - 1));
    }
    int16_t* const packed = packed_.Reserve(PackedColumnsSize(table.in_pairs()));
    PackColumns(rows.data(), static_cast<size_t>(image.width) * 3, table.in_pairs(), packed);
    FilterColumns(table, packed, block);
  }

  struct Strip {
    size_t first_byte;  // within a source row
    size_t bytes;
  };

  // The first pass of ResizeTransposed for some bytes of every source row.
  void FilterStrip(const RgbView& pixels, const Strip& strip, const TapTable& x, uint8_t* to, size_t stride) {
    const size_t lanes = RoundUpLanes(strip.bytes);
    ring_.Reset(x.max_pairs + 1, lanes);
    int produced = 0;
    for (const Tap& tap : x.taps) {
      for (; produced < tap.first_pair + tap.pairs; ++produced) {
        const int row = x.first_in + 2 * produced;
        const uint8_t* first = pixels.Row(row) + strip.first_byte;
        const uint8_t* second = pixels.Row(std::min(row + 1, pixels.height - 1)) + strip.first_byte;
        PackRows(first, second, strip.bytes, ring_.Row(produced));
      }
      FilterRow(tap, x.coefs.data() + tap.coefs, ring_.Window(tap.first_pair, tap.pairs), lanes,
                to + static_cast<size_t>(tap.out) * stride);
    }
  }

  TapCache cache_;
  PairRing ring_;
  AlignedBuffer<int16_t> packed_;
  AlignedBuffer<int16_t> block_;
  AlignedBuffer<uint8_t> line_;
  AlignedBuffer<uint8_t> turned_;
  Squasher squasher_;
};

Preprocessor::Preprocessor() : impl_(std::make_unique<Impl>()) {}
Preprocessor::~Preprocessor() = default;

Status Preprocessor::Run(const DecodedPhoto& photo, const Spec& spec, std::span<uint8_t> out) {
  return impl_->Run(photo, spec, out);
}

}  // namespace photovec::preprocess
