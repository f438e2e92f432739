// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg/own/progressive.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace photovec::decode::jpeg {
namespace {

int DivideUp(int value, int by) { return (value + by - 1) / by; }

constexpr size_t kDc = kBlockSize - 1;  // where a block's DC coefficient lies

/// Where in a unit the coefficient belongs that lies at [i] of its block.
constexpr auto kUnitOffsets = [] {
  std::array<uint16_t, kBlockSize> offsets{};
  for (size_t i = 0; i < kBlockSize; ++i) {
    offsets[i] = static_cast<uint16_t>(kNaturalOrder[kBlockSize - 1 - i] * kLanes);
  }
  return offsets;
}();

}  // namespace

void ProgressiveDecoder::Start() {
  scan_count_ = table_count_ = 0;
  for (auto& component : known_) component.fill(-1);
}

/// T.81 G.1.1.1: bands of one component, DC first; a refinement adds the next bit.
bool ProgressiveDecoder::CheckProgression(const Scan& scan) {
  const bool is_dc = scan.first == 0;
  if (scan.last > 63 || scan.first > scan.last || (is_dc && scan.last != 0)) return false;
  if (!is_dc && scan.component_count != 1) return false;
  if (scan.low > kMaxLow || (scan.high != 0 && scan.high != scan.low + 1)) return false;
  for (int i = 0; i < scan.component_count; ++i) {
    auto& known = known_.at(static_cast<size_t>(scan.components.at(static_cast<size_t>(i))));
    if (!is_dc && known[0] < 0) return false;
    for (int k = scan.first; k <= scan.last; ++k) {
      int8_t& low = known.at(static_cast<size_t>(k));
      if (low != (scan.high == 0 ? -1 : scan.high)) return false;
      low = static_cast<int8_t>(scan.low);
    }
  }
  return true;
}

bool ProgressiveDecoder::AddTable(const HuffmanSpec& spec, size_t* index) {
  if (!spec.defined) return false;
  if (table_count_ == tables_.size()) tables_.push_back(std::make_unique<CodeTable>());
  *index = table_count_++;
  return tables_[*index]->Build(spec);
}

bool ProgressiveDecoder::AddTables(const HeaderReader& headers, ScanState* state) {
  const Scan& scan = state->scan;
  if (scan.first > 0) return AddTable(headers.ac(scan.ac_tables[0]), state->tables.data());
  if (scan.high != 0) return true;  // refining DC takes plain bits
  for (size_t i = 0; i < static_cast<size_t>(scan.component_count); ++i) {
    const HuffmanSpec& spec = headers.dc(scan.dc_tables[i]);
    if (!HasDcSizes(spec) || !AddTable(spec, &state->tables[i])) return false;
  }
  return true;
}

bool ProgressiveDecoder::AddScan(const HeaderReader& headers, const uint8_t* data,
                                 std::span<const Segment> segments) {
  if (scan_count_ == kMaxScans || !CheckProgression(headers.scan())) return false;
  if (scan_count_ == scans_.size()) scans_.emplace_back();
  ScanState& state = scans_[scan_count_++];
  state.scan = headers.scan();
  state.restart_interval = headers.restart_interval();
  state.mcus_left = 0;
  state.data = data;
  state.segments.assign(segments.begin(), segments.end());
  state.segment = 0;
  return AddTables(headers, &state);
}

void ProgressiveDecoder::Plan(const Frame& frame, const RowOutput& rows) {
  component_count_ = static_cast<size_t>(frame.component_count);
  mcus_across_ = rows.mcus_across();
  mcus_down_ = rows.mcus_down();
  for (size_t i = 0; i < component_count_; ++i) {
    Blocks& blocks = blocks_[i];
    blocks.h = frame.components[i].h;
    blocks.v = frame.components[i].v;
    blocks.across = mcus_across_ * blocks.h;
    blocks.real_across = DivideUp(DivideUp(frame.width * blocks.h, frame.h_max), 8);
    blocks.real_down = DivideUp(DivideUp(frame.height * blocks.v, frame.v_max), 8);
    const auto count = blocks.Index(blocks.v, 0);
    blocks.coefficients.resize(count * kBlockSize);
    blocks.nonzero.resize(count);
  }
}

bool ProgressiveDecoder::HasAllSegments(const ScanState& state) const {
  int64_t mcus = int64_t{mcus_across_} * mcus_down_;
  if (state.scan.component_count == 1) {
    const Blocks& blocks = blocks_.at(static_cast<size_t>(state.scan.components[0]));
    mcus = int64_t{blocks.real_across} * blocks.real_down;
  }
  const int64_t interval = state.restart_interval;
  return static_cast<int64_t>(state.segments.size()) ==
         (interval == 0 ? 1 : (mcus + interval - 1) / interval);
}

bool ProgressiveDecoder::Decode(const Frame& frame, RowOutput* rows) {
  Plan(frame, *rows);
  for (size_t i = 0; i < component_count_; ++i) {
    if (std::any_of(known_[i].begin(), known_[i].end(), [](int low) { return low != 0; })) return false;
  }
  for (size_t i = 0; i < scan_count_; ++i) {
    if (!HasAllSegments(scans_[i])) return false;
  }
  for (int row = 0; row < mcus_down_; ++row) {
    for (size_t i = 0; i < component_count_; ++i) {
      std::fill(blocks_[i].coefficients.begin(), blocks_[i].coefficients.end(), int16_t{0});
      std::fill(blocks_[i].nonzero.begin(), blocks_[i].nonzero.end(), uint64_t{0});
    }
    for (size_t i = 0; i < scan_count_; ++i) {
      if (!DecodeRow(&scans_[i], row)) return false;
    }
    if (!TransformRow(rows)) return false;
    rows->FinishMcuRow();
  }
  return std::all_of(scans_.begin(), scans_.begin() + static_cast<ptrdiff_t>(scan_count_), SegmentIsUsedUp);
}

bool ProgressiveDecoder::Suffices(const ScanState& state) {
  const Segment& segment = state.segments[state.segment - 1];
  return !state.cursor.bad &&
         BitsTaken(state.cursor, state.data + segment.begin) <= static_cast<int64_t>(segment.size) * 8;
}

bool ProgressiveDecoder::SegmentIsUsedUp(const ScanState& state) {
  const Segment& segment = state.segments[state.segment - 1];
  return IsUsedUp(state.cursor, state.data + segment.begin, segment.size,
                  state.segment == state.segments.size());
}

bool ProgressiveDecoder::StartNextSegment(ScanState* state) {
  if (state->segment > 0 && (!Suffices(*state) || !SegmentIsUsedUp(*state))) return false;
  if (state->segment == state->segments.size()) return false;
  const Segment& segment = state->segments[state->segment++];
  state->cursor = {ReadFrom(state->data + segment.begin, segment.size)};
  state->cursor.first = state->scan.first;
  state->cursor.last = state->scan.last;
  state->cursor.low = state->scan.low;
  state->predictors.fill(0);
  state->mcus_left = state->restart_interval != 0 ? state->restart_interval : std::numeric_limits<int>::max();
  return true;
}

bool ProgressiveDecoder::DecodeRow(ScanState* state, int mcu_row) {
  if (state->scan.component_count > 1) return DecodeInterleavedRow(state);
  const Blocks& blocks = blocks_.at(static_cast<size_t>(state->scan.components[0]));
  for (int row = 0; row < blocks.v && mcu_row * blocks.v + row < blocks.real_down; ++row) {
    if (!DecodeBlockRow(state, row)) return false;
  }
  return true;
}

/// DC of several components: whole MCUs.
bool ProgressiveDecoder::DecodeInterleavedRow(ScanState* state) {
  for (int mcu = 0; mcu < mcus_across_;) {
    if (state->mcus_left == 0 && !StartNextSegment(state)) return false;
    const int count = std::min(mcus_across_ - mcu, state->mcus_left);
    DecodeMcus(state, mcu, count);
    mcu += count;
    state->mcus_left -= count;
  }
  return Suffices(*state);
}

inline void ProgressiveDecoder::DecodeDc(const ScanState& state, size_t index, ScanCursor& cursor,
                                         int* predictor, int16_t* dc) const {
  if (state.scan.high == 0) {
    DecodeDcFirst(cursor, *tables_[state.tables[index]], predictor, dc);
  } else {
    RefineDc(cursor, dc);
  }
}

void ProgressiveDecoder::DecodeMcus(ScanState* state, int first, int count) {
  ScanCursor cursor = state->cursor;  // so that it stays in registers
  for (int mcu = first; mcu < first + count; ++mcu) {
    for (size_t i = 0; i < static_cast<size_t>(state->scan.component_count); ++i) {
      Blocks& blocks = blocks_.at(static_cast<size_t>(state->scan.components[i]));
      for (int row = 0; row < blocks.v; ++row) {
        const auto index = blocks.Index(row, mcu * blocks.h);
        int16_t* dc = blocks.coefficients.data() + index * kBlockSize + kDc;
        for (int block = 0; block < blocks.h; ++block, dc += kBlockSize) {
          DecodeDc(*state, i, cursor, &state->predictors[i], dc);
        }
      }
    }
  }
  state->cursor = cursor;
}

/// One component: the photo's own blocks, row by row.
bool ProgressiveDecoder::DecodeBlockRow(ScanState* state, int row) {
  Blocks& blocks = blocks_.at(static_cast<size_t>(state->scan.components[0]));
  for (int block = 0; block < blocks.real_across;) {
    if (state->mcus_left == 0 && !StartNextSegment(state)) return false;
    const int count = std::min(blocks.real_across - block, state->mcus_left);
    DecodeRun(state, &blocks, blocks.Index(row, block), static_cast<size_t>(count));
    block += count;
    state->mcus_left -= count;
  }
  return Suffices(*state);
}

void ProgressiveDecoder::DecodeRun(ScanState* state, Blocks* blocks, size_t first, size_t count) {
  int16_t* coefficients = blocks->coefficients.data() + first * kBlockSize;
  if (state->scan.first == 0) {
    ScanCursor cursor = state->cursor;
    for (size_t i = 0; i < count; ++i) {
      DecodeDc(*state, 0, cursor, state->predictors.data(), coefficients + i * kBlockSize + kDc);
    }
    state->cursor = cursor;
    return;
  }
  const BlockRun run{coefficients, blocks->nonzero.data() + first, count};
  const CodeTable& codes = *tables_[state->tables[0]];
  if (state->scan.high == 0) {
    DecodeAcFirst(&state->cursor, codes, run);
  } else {
    RefineAc(&state->cursor, codes, run);
  }
}

bool ProgressiveDecoder::TransformRow(RowOutput* rows) {
  for (size_t i = 0; i < component_count_; ++i) {
    const Blocks& blocks = blocks_[i];
    for (int first = 0; first < blocks.across; first += static_cast<int>(kLanes)) {
      if (!rows->Wants(i, first)) continue;
      for (int row = 0; row < blocks.v; ++row) {
        FillUnit(blocks, row, first);
        if (!rows->Transform(i, row, first, unit_.data())) return false;
      }
    }
  }
  return true;
}

/// From blocks to [place][lane].
void ProgressiveDecoder::FillUnit(const Blocks& blocks, int row, int first_block) {
  unit_.fill(0);
  const auto lanes = std::min<size_t>(kLanes, static_cast<size_t>(blocks.across - first_block));
  const auto first = blocks.Index(row, first_block);
  for (size_t lane = 0; lane < lanes; ++lane) {
    const int16_t* coefficients = blocks.coefficients.data() + (first + lane) * kBlockSize;
    int16_t* to = unit_.data() + lane;
    to[0] = coefficients[kDc];
    for (uint64_t left = blocks.nonzero[first + lane]; left != 0; left &= left - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(left));
      to[kUnitOffsets.data()[i]] = coefficients[i];
    }
  }
}

}  // namespace photovec::decode::jpeg
