// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "decode/formats/jpeg/own/entropy.h"
#include "decode/formats/jpeg/own/headers.h"
#include "decode/formats/jpeg/own/huffman.h"
#include "decode/formats/jpeg/own/row_output.h"
#include "decode/formats/jpeg/own/scan_data.h"

namespace photovec::decode::jpeg {

/// How far a photo has come.
enum class Progress {
  kMore,
  kDone,
  kHandedBack,  ///< something that libjpeg-turbo should see
};

/// One scan with all components: chunks of some MCUs are decoded into units of coefficients that stay in the
/// first-level cache, and transformed from there. Step by step, so that another photo can be decoded at the
/// same time. Keeps its memory from photo to photo.
class BaselineDecoder {
 public:
  BaselineDecoder();

  /// \param headers stand behind the SOS.
  /// \param data    the unstuffed scan, readable up to kUnstuffedPadding bytes behind its end; its segments beside
  ///                it. Borrowed until the end, as `rows` is.
  Progress Start(const HeaderReader& headers, const uint8_t* data, std::span<const Segment> segments,
                 TableCache* tables, RowOutput* rows);
  /// Goes on by that many MCU rows at most.
  Progress Continue(int mcu_rows);
  /// Goes on with both until one of them is at its end. Both are at kMore; `a` and `b` receive where they are
  /// then.
  static void ContinueBoth(BaselineDecoder* first, BaselineDecoder* second, Progress* a, Progress* b);

 private:
  struct Part {
    int h = 1;
    int v = 1;
    size_t first_unit = 0;
    size_t units_across = 0;  ///< of each row of blocks
    std::shared_ptr<const BlockTables> tables;
    int predictor = 0;
  };

  bool Plan(const HeaderReader& headers, TableCache* tables);
  bool StartNextSegment();
  bool SegmentSuffices() const;
  bool SegmentIsUsedUp() const;
  bool StartChunk();
  Progress FinishChunk();
  const BlockTarget* end() const { return &targets_[static_cast<size_t>(chunk_) * blocks_per_mcu_]; }
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
  int chunk_mcus_ = 0;  ///< of a whole chunk
  int mcu_ = 0;         ///< where in its row the chunk begins
  int mcu_row_ = 0;
  int chunk_ = 0;     ///< MCUs of this chunk
  BlockTarget kept_;  ///< what the stall behind the chunk stands in place of
  int restart_interval_ = 0;
  int mcus_left_ = 0;  ///< of the segment
  size_t segment_ = 0;
  std::span<const Segment> segments_;
  const uint8_t* data_ = nullptr;
  EntropyCursor cursor_;
  RowOutput* rows_ = nullptr;
};

}  // namespace photovec::decode::jpeg
