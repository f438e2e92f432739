// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

namespace photovec::decode::jpeg {

/// Which rows of MCUs came out damaged while libjpeg-turbo decoded: from the row in which it complained up to
/// the restart marker from which on the data is sound again, or to the end of the scan. Plain data that is
/// valid when all of it is 0, since libjpeg's errors longjmp over it.
struct DamagedRows {
  static constexpr int kMaxRows = 65'536 / 8;

  uint64_t bad[kMaxRows / 64];
  bool any;
  bool open;  ///< up to now
  int open_since;
  int open_scan;

  /// \param rows of MCUs in the image.
  void Begin(int scan, int row, int rows) {
    if (open && open_scan == scan) return;
    if (open) Mark(open_since, rows);
    any = open = true;
    open_since = row;
    open_scan = scan;
  }
  /// A restart marker was where it had to be.
  /// \param row    of the MCU behind it.
  /// \param in_row it may lie inside of that row.
  void End(int scan, int row, bool in_row, int rows) {
    if (!open) return;
    open = false;
    Mark(open_since, open_scan != scan ? rows : std::max(row + (in_row ? 1 : 0), open_since + 1));
  }
  void Finish(int rows) {
    if (open) Mark(open_since, rows);
    open = false;
  }

  bool IsBad(int row) const { return (bad[row / 64] >> (row % 64) & 1) != 0; }
  /// \param rows of MCUs, of `row_height` pixels each, in an image of `height`.
  int SoundPixelRows(int rows, int row_height, int height) const {
    int sound = 0;
    for (int row = 0; row < rows; ++row) {
      if (!IsBad(row)) sound += std::min(row_height, height - row * row_height);
    }
    return sound;
  }

 private:
  void Mark(int first, int end) {
    for (int row = std::max(first, 0); row < std::min(end, kMaxRows); ++row)
      bad[row / 64] |= uint64_t{1} << (row % 64);
  }
};

}  // namespace photovec::decode::jpeg
