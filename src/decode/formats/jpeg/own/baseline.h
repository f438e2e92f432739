// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "decode/formats/jpeg/own/entropy.h"
#include "decode/formats/jpeg/own/headers.h"
#include "decode/formats/jpeg/own/huffman.h"
#include "decode/formats/jpeg/own/row_output.h"
#include "decode/formats/jpeg/own/scan_data.h"

namespace photovec::decode::jpeg {

/// One scan with all components: chunks of some MCUs are decoded into units of coefficients that stay in the
/// first-level cache, and transformed from there. Keeps its memory from photo to photo.
class BaselineDecoder {
 public:
  BaselineDecoder();

  /// \param headers stand behind the SOS.
  /// \param data    the unstuffed scan, readable up to kUnstuffedPadding bytes behind its end; its segments beside it.
  /// \return false for anything that libjpeg-turbo should see.
  bool Decode(const HeaderReader& headers, const uint8_t* data, std::span<const Segment> segments,
              TableCache* tables, RowOutput* rows);

 private:
  struct Part {
    int h = 1;
    int v = 1;
    size_t first_unit = 0;
    size_t units_across = 0;  ///< of each row of blocks
    const BlockTables* tables = nullptr;
    int predictor = 0;
  };

  bool Plan(const HeaderReader& headers, TableCache* tables);
  bool StartNextSegment();
  bool SegmentSuffices() const;
  bool SegmentIsUsedUp() const;
  bool DecodeMcuRow();
  void DecodeChunk(int mcus);
  void AddPredictors(Part* part, int mcus);
  bool TransformChunk(int first_mcu, int mcus);
  void ClearUnits(size_t first, size_t count);
  int16_t* Unit(size_t index) { return units_.data() + alignment_ + index * kUnitCoefficients; }

  std::vector<int16_t> units_;  ///< kMaxUnits and the sink of the stall
  size_t alignment_ = 0;
  std::vector<BlockTarget> targets_;
  std::array<Part, 3> parts_;
  size_t part_count_ = 0;
  size_t blocks_per_mcu_ = 0;
  size_t unit_count_ = 0;
  int chunk_mcus_ = 0;
  int restart_interval_ = 0;
  int mcus_left_ = 0;  ///< of the segment
  size_t segment_ = 0;
  std::span<const Segment> segments_;
  const uint8_t* data_ = nullptr;
  EntropyCursor cursor_;
  RowOutput* rows_ = nullptr;
};

}  // namespace photovec::decode::jpeg
