// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg/own/baseline.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace photovec::decode::jpeg {
namespace {

constexpr size_t kMaxUnits = 8;  // 16 KiB: half of a small first-level cache
constexpr size_t kAlignment = 64 / sizeof(int16_t);

/// So that all units together are at most kMaxUnits and none is half empty.
int ChunkMcus(const Frame& frame) {
  if (frame.component_count == 1) return 64;
  return frame.h_max * frame.v_max == 4 ? 16 : 32;
}

}  // namespace

BaselineDecoder::BaselineDecoder() {
  units_.resize((kMaxUnits + 1) * kUnitCoefficients + kAlignment);
  const auto address = reinterpret_cast<uintptr_t>(units_.data()) / sizeof(int16_t);
  alignment_ = (kAlignment - address % kAlignment) % kAlignment;
}

bool BaselineDecoder::Decode(const HeaderReader& headers, const uint8_t* data,
                             std::span<const Segment> segments, TableCache* tables, RowOutput* rows) {
  data_ = data;
  segments_ = segments;
  rows_ = rows;
  const int64_t mcus = int64_t{rows->mcus_across()} * rows->mcus_down();
  restart_interval_ = headers.restart_interval();
  const int64_t expected = restart_interval_ == 0 ? 1 : (mcus + restart_interval_ - 1) / restart_interval_;
  if (static_cast<int64_t>(segments.size()) != expected || !Plan(headers, tables)) return false;
  segment_ = 0;
  mcus_left_ = 0;
  for (int row = 0; row < rows->mcus_down(); ++row) {  // those below the window, too: they may be damaged
    if (!DecodeMcuRow()) return false;
    rows->FinishMcuRow();
  }
  return SegmentIsUsedUp();
}

bool BaselineDecoder::Plan(const HeaderReader& headers, TableCache* tables) {
  const Frame& frame = headers.frame();
  const Scan& scan = headers.scan();
  part_count_ = static_cast<size_t>(frame.component_count);
  chunk_mcus_ = ChunkMcus(frame);
  unit_count_ = blocks_per_mcu_ = 0;
  for (size_t i = 0; i < part_count_; ++i) {
    Part& part = parts_[i];
    part.h = frame.components[i].h;
    part.v = frame.components[i].v;
    part.first_unit = unit_count_;
    part.units_across = static_cast<size_t>(chunk_mcus_ * part.h) / kLanes;
    unit_count_ += part.units_across * static_cast<size_t>(part.v);
    blocks_per_mcu_ += static_cast<size_t>(part.h * part.v);
    part.tables = tables->Get(headers.dc(scan.dc_tables[i]), headers.ac(scan.ac_tables[i]));
    if (part.tables == nullptr) return false;
  }
  targets_.clear();
  for (int mcu = 0; mcu < chunk_mcus_; ++mcu) {
    for (size_t i = 0; i < part_count_; ++i) {
      const Part& part = parts_[i];
      for (int block = 0; block < part.h * part.v; ++block) {
        const auto lane = static_cast<size_t>(mcu * part.h + block % part.h);
        const size_t row = static_cast<size_t>(block / part.h) * part.units_across;
        int16_t* place = Unit(part.first_unit + row + lane / kLanes) + lane % kLanes;
        targets_.push_back(
            {part.tables->ac.data(), part.tables->dc.data(), reinterpret_cast<char*>(place), part.tables});
      }
    }
  }
  ClearUnits(0, kMaxUnits);
  const BlockTarget stall = StallTarget(reinterpret_cast<char*>(Unit(kMaxUnits)));
  targets_.insert(targets_.end(), 2, stall);
  return true;
}

bool BaselineDecoder::SegmentSuffices() const {
  const Segment& segment = segments_[segment_ - 1];
  return !cursor_.bad && BitsTaken(cursor_, data_ + segment.begin) <= static_cast<int64_t>(segment.size) * 8;
}

bool BaselineDecoder::SegmentIsUsedUp() const {
  const Segment& segment = segments_[segment_ - 1];
  return OnlyPaddingLeft(cursor_, data_ + segment.begin, segment.size);
}

bool BaselineDecoder::StartNextSegment() {
  if (segment_ > 0 && !SegmentIsUsedUp()) return false;
  if (segment_ == segments_.size()) return false;
  const Segment& segment = segments_[segment_++];
  cursor_ = {ReadFrom(data_ + segment.begin, segment.size)};
  mcus_left_ = restart_interval_ != 0 ? restart_interval_ : std::numeric_limits<int>::max();
  for (Part& part : parts_) part.predictor = 0;
  return true;
}

bool BaselineDecoder::DecodeMcuRow() {
  for (int mcu = 0; mcu < rows_->mcus_across();) {
    if (mcus_left_ == 0 && !StartNextSegment()) return false;
    const int count = std::min({chunk_mcus_, rows_->mcus_across() - mcu, mcus_left_});
    DecodeChunk(count);
    if (!SegmentSuffices()) return false;
    for (size_t i = 0; i < part_count_; ++i) AddPredictors(&parts_[i], count);
    if (!TransformChunk(mcu, count)) return false;
    mcu += count;
    mcus_left_ -= count;
  }
  return true;
}

void BaselineDecoder::ClearUnits(size_t first, size_t count) {
  std::memset(Unit(first), 0, count * kUnitCoefficients * sizeof(int16_t));
}

void BaselineDecoder::DecodeChunk(int mcus) {
  BlockTarget& end = targets_[static_cast<size_t>(mcus) * blocks_per_mcu_];
  const BlockTarget kept = std::exchange(end, targets_.back());
  cursor_.target = targets_.data();
  cursor_.table = cursor_.target->dc;
  cursor_.position = 0;
  DecodeBlocks(&cursor_, &end);
  end = kept;
}

/// DC coefficients were coded as differences to the block before.
void BaselineDecoder::AddPredictors(Part* part, int mcus) {
  int value = part->predictor;
  const auto h = static_cast<size_t>(part->h);
  const size_t end = static_cast<size_t>(mcus) * h;
  for (size_t first = 0; first < end; first += h) {
    for (size_t row = 0; row < static_cast<size_t>(part->v); ++row) {
      int16_t* dc = Unit(part->first_unit + row * part->units_across + first / kLanes) + first % kLanes;
      for (size_t i = 0; i < h; ++i) {  // a MCU's blocks lie in one unit: h divides kLanes
        value += dc[i];
        dc[i] = static_cast<int16_t>(value);
      }
    }
  }
  part->predictor = value;
}

bool BaselineDecoder::TransformChunk(int first_mcu, int mcus) {
  for (size_t i = 0; i < part_count_; ++i) {
    const Part& part = parts_[i];
    const auto lanes = static_cast<int>(kLanes);
    const int units = (mcus * part.h + lanes - 1) / lanes;
    for (int unit = 0; unit < units; ++unit) {
      const int first_block = first_mcu * part.h + unit * lanes;
      const bool wanted = rows_->Wants(i, first_block);
      for (int row = 0; row < part.v; ++row) {
        const size_t index =
            part.first_unit + static_cast<size_t>(row) * part.units_across + static_cast<size_t>(unit);
        if (!wanted) {
          ClearUnits(index, 1);
        } else if (!rows_->Transform(i, row, first_block, Unit(index))) {
          return false;
        }
      }
    }
  }
  return true;
}

}  // namespace photovec::decode::jpeg
