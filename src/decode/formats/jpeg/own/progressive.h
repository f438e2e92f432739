// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "decode/formats/jpeg/own/headers.h"
#include "decode/formats/jpeg/own/huffman.h"
#include "decode/formats/jpeg/own/progressive_scan.h"
#include "decode/formats/jpeg/own/row_output.h"
#include "decode/formats/jpeg/own/scan_data.h"

namespace photovec::decode::jpeg {

/// Progressive photos, one MCU row at a time: every scan decodes its part of the row, then the row is
/// transformed. So coefficients stay in the second-level cache (128 bytes a block of one MCU row, not of the
/// photo). All rows are decoded, those below the window, too: libjpeg-turbo reads such a file to its end.
///
/// Strict: each band of coefficients comes first whole, is then refined bit by bit, and all of them end
/// complete; else libjpeg-turbo smooths what is missing, and does it. Keeps its memory from photo to photo.
class ProgressiveDecoder {
 public:
  static constexpr size_t kMaxScans = 256;

  void Start();
  /// Adds the scan that `headers` stand behind, with its unstuffed data (BaselineDecoder::Decode).
  /// \return false for anything that libjpeg-turbo should see.
  bool AddScan(const HeaderReader& headers, const uint8_t* data, std::span<const Segment> segments);
  /// \return as AddScan().
  bool Decode(const Frame& frame, RowOutput* rows);

 private:
  struct ScanState {
    Scan scan;
    int restart_interval = 0;
    int mcus_left = 0;  ///< of the segment
    const uint8_t* data = nullptr;
    std::vector<Segment> segments;
    size_t segment = 0;
    std::array<size_t, 3> tables{};  ///< of DC by component of the scan, of AC the first; indices of tables_
    std::array<int, 3> predictors{};
    ScanCursor cursor;
  };
  /// One component's blocks of the current MCU row.
  struct Blocks {
    int h = 1;
    int v = 1;
    int across = 0;  ///< blocks of a row, those that fill up the last MCU included
    int real_across = 0;
    int real_down = 0;  ///< of the photo
    std::vector<int16_t> coefficients;
    std::vector<uint64_t> nonzero;

    /// Of a block in a row of MCUs.
    size_t Index(int row, int column) const {
      return static_cast<size_t>(row) * static_cast<size_t>(across) + static_cast<size_t>(column);
    }
  };

  bool CheckProgression(const Scan& scan);
  bool AddTables(const HeaderReader& headers, ScanState* state);
  bool AddTable(const HuffmanSpec& spec, size_t* index);
  void Plan(const Frame& frame, const RowOutput& rows);
  bool HasAllSegments(const ScanState& state) const;
  bool StartNextSegment(ScanState* state);
  static bool Suffices(const ScanState& state);
  static bool SegmentIsUsedUp(const ScanState& state);
  bool DecodeRow(ScanState* state, int mcu_row);
  bool DecodeInterleavedRow(ScanState* state);
  bool DecodeBlockRow(ScanState* state, int row);
  void DecodeRun(ScanState* state, Blocks* blocks, size_t first, size_t count);
  void DecodeMcus(ScanState* state, int first, int count);
  void DecodeDc(const ScanState& state, size_t index, ScanCursor& cursor, int* predictor, int16_t* dc) const;
  bool TransformRow(RowOutput* rows);
  void FillUnit(const Blocks& blocks, int row, int first_block);

  std::vector<ScanState> scans_;
  size_t scan_count_ = 0;
  std::vector<std::unique_ptr<CodeTable>> tables_;
  size_t table_count_ = 0;
  std::array<std::array<int8_t, kBlockSize>, 3> known_{};  ///< Al of each coefficient; -1: never seen
  std::array<Blocks, 3> blocks_;
  size_t component_count_ = 0;
  int mcus_across_ = 0;
  int mcus_down_ = 0;
  alignas(64) std::array<int16_t, kUnitCoefficients> unit_{};
};

}  // namespace photovec::decode::jpeg
