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

Progress BaselineDecoder::Start(const HeaderReader& headers, const uint8_t* data,
                                std::span<const Segment> segments, TableCache* tables, RowOutput* rows) {
  data_ = data;
  segments_ = segments;
  rows_ = rows;
  const int64_t mcus = int64_t{rows->mcus_across()} * rows->mcus_down();
  restart_interval_ = headers.restart_interval();
  const int64_t expected = restart_interval_ == 0 ? 1 : (mcus + restart_interval_ - 1) / restart_interval_;
  if (static_cast<int64_t>(segments.size()) != expected || !Plan(headers, tables))
    return Progress::kHandedBack;
  segment_ = 0;
  mcus_left_ = 0;
  mcu_ = mcu_row_ = 0;
  return StartChunk() ? Progress::kMore : Progress::kHandedBack;
}

bool BaselineDecoder::Plan(const HeaderReader& headers, TableCache* cache) {
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
    part.tables = cache->Get(headers.dc(scan.dc_tables[i]), headers.ac(scan.ac_tables[i]));
    if (part.tables == nullptr) return false;
  }
  targets_.clear();
  for (int mcu = 0; mcu < chunk_mcus_; ++mcu) {
    for (size_t i = 0; i < part_count_; ++i) {
      const Part& part = parts_[i];
      for (int block = 0; block < part.h * part.v; ++block) {
        const auto lane =
            static_cast<size_t>(mcu) * static_cast<size_t>(part.h) + static_cast<size_t>(block % part.h);
        const size_t row = static_cast<size_t>(block / part.h) * part.units_across;
        int16_t* place = Unit(part.first_unit + row + lane / kLanes) + lane % kLanes;
        const BlockTables* tables = part.tables.get();
        targets_.push_back({tables->ac.data(), tables->dc.data(), reinterpret_cast<char*>(place), tables});
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
  return IsUsedUp(cursor_, data_ + segment.begin, segment.size, segment_ == segments_.size());
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

Progress BaselineDecoder::Continue(int mcu_rows) {
  for (const int last = mcu_row_ + mcu_rows; mcu_row_ < last;) {
    DecodeBlocks(&cursor_, end());
    if (const Progress progress = FinishChunk(); progress != Progress::kMore) return progress;
  }
  return Progress::kMore;
}

void BaselineDecoder::ContinueBoth(BaselineDecoder* first, BaselineDecoder* second, Progress* a,
                                   Progress* b) {
  *a = *b = Progress::kMore;
  while (*a == Progress::kMore && *b == Progress::kMore) {
    DecodeBlocksOfTwo(&first->cursor_, first->end(), &second->cursor_, second->end());
    if (first->cursor_.target == first->end()) *a = first->FinishChunk();
    if (second->cursor_.target == second->end()) *b = second->FinishChunk();
  }
}

bool BaselineDecoder::StartChunk() {
  if (mcus_left_ == 0 && !StartNextSegment()) return false;
  chunk_ = std::min({chunk_mcus_, rows_->mcus_across() - mcu_, mcus_left_});
  kept_ = std::exchange(targets_[static_cast<size_t>(chunk_) * blocks_per_mcu_], targets_.back());
  cursor_.target = targets_.data();
  cursor_.table = cursor_.target->dc;
  cursor_.position = 0;
  return true;
}

/// The bits of the chunk have been read: makes samples of it, and starts the next one.
Progress BaselineDecoder::FinishChunk() {
  targets_[static_cast<size_t>(chunk_) * blocks_per_mcu_] = kept_;
  if (!SegmentSuffices()) return Progress::kHandedBack;
  for (size_t i = 0; i < part_count_; ++i) AddPredictors(&parts_[i], chunk_);
  if (!TransformChunk(mcu_, chunk_)) return Progress::kHandedBack;
  mcu_ += chunk_;
  mcus_left_ -= chunk_;
  if (mcu_ == rows_->mcus_across()) {
    mcu_ = 0;
    ++mcu_row_;
    rows_->FinishMcuRow();
    // Rows below the window are looked at, too: they may be damaged.
    if (mcu_row_ == rows_->mcus_down()) return SegmentIsUsedUp() ? Progress::kDone : Progress::kHandedBack;
  }
  return StartChunk() ? Progress::kMore : Progress::kHandedBack;
}

void BaselineDecoder::ClearUnits(size_t first, size_t count) {
  std::memset(Unit(first), 0, count * kUnitCoefficients * sizeof(int16_t));
}

/// DC coefficients were coded as differences to the block before.
void BaselineDecoder::AddPredictors(Part* part, int mcus) {
  int value = part->predictor;
  const auto h = static_cast<size_t>(part->h);
  const size_t end = static_cast<size_t>(mcus) * h;
  for (size_t first = 0; first < end; first += h) {
    for (size_t row = 0; row < static_cast<size_t>(part->v); ++row) {
      int16_t* dc = Unit(part->first_unit + row * part->units_across + first / kLanes) + first % kLanes;
      for (size_t i = 0; i < h; ++i) {                // a MCU's blocks lie in one unit: h divides kLanes
        value = static_cast<int16_t>(value + dc[i]);  // its 16 bits: a hostile sum grows beyond any int
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
