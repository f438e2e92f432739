// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "decode/formats/jpeg/own/bit_reader.h"
#include "decode/formats/jpeg/own/huffman.h"

/// The entropy decoder of baseline scans: bits in, coefficients out, without a branch at the end of a block.
///
/// Coefficients go to memory laid out [64 places][kLanes blocks] of 16 bits ("a unit"), so that the inverse
/// DCT works on kLanes blocks side by side without transposing. The order of the blocks in the bit stream is
/// a list of BlockTargets; the last one stalls: every look-up in it takes no bits and gives nothing.
///
/// Bounds. Read: as BitReader says. Written: 2 bytes at
/// target.coefficients + place * kRowBytes, where place < 64 by table (PlaceOffsets has an entry for every
/// position that an entry can lead to) and target lies in the list, which one step moves on by one at most
/// and the stall by none. Damaged bits give wrong coefficients or `bad`, nothing else.
namespace photovec::decode::jpeg {

inline constexpr size_t kLanes = 16;
inline constexpr size_t kRowBytes = kLanes * sizeof(int16_t);
inline constexpr size_t kUnitCoefficients = kBlockSize * kLanes;

/// One block in the order of the stream.
struct BlockTarget {
  const PairEntry* ac = nullptr;
  const PairEntry* dc = nullptr;
  char* coefficients = nullptr;  ///< of its lane, place 0
  const BlockTables* tables = nullptr;
};

/// Where a bit stream is. At the ends it stands at the start of a block.
struct EntropyCursor : BitReader {
  const BlockTarget* target = nullptr;
  const PairEntry* table = nullptr;
  uint64_t position = 0;  ///< in the block: the place of the last coefficient + 1
  bool bad = false;       ///< met a code that does not exist, or a magnitude that no 8-bit photo has
};

/// The target behind the last. `sink` takes 2 bytes that nobody wants.
BlockTarget StallTarget(char* sink);

/// Decodes from cursor->target, whose memory is zero, up to `end`, which is a stall target as end[1] is.
/// SIMD-free, but BMI2 pays: chosen at run time.
void DecodeBlocks(EntropyCursor* cursor, const BlockTarget* end);

/// Two streams in turn, look-up by look-up, until one of them (or both) has come to its end. The other one
/// may then stand inside a block; DecodeBlocks and this go on from there. What one stream reads and writes
/// follows from its own cursor alone, so nothing in it can change the other's coefficients.
void DecodeBlocksOfTwo(EntropyCursor* a, const BlockTarget* end_a, EntropyCursor* b,
                       const BlockTarget* end_b);

}  // namespace photovec::decode::jpeg
