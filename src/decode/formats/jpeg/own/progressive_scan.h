// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "decode/formats/jpeg/own/bit_reader.h"
#include "decode/formats/jpeg/own/headers.h"
#include "decode/formats/jpeg/own/huffman.h"

/// The four kinds of progressive scans (T.81 Annex G), block by block.
///
/// A block's coefficients lie in reversed zigzag order (place k at 63 - k) beside a mask of those that are
/// not zero, in the same order of bits: the correction bits of a refinement, first one highest, then spread
/// over the mask by one PDEP, and the place behind r zeros is found by another.
///
/// Bounds. Read: as BitReader says. Written: places 0 to 63 of the blocks that are handed in: places come
/// from masks, or are compared with the end of the band.
namespace photovec::decode::jpeg {

/// So that a magnitude of 10 bits stays within 16.
inline constexpr int kMaxLow = 5;

/// Blocks that follow each other in the stream.
struct BlockRun {
  int16_t* coefficients = nullptr;  ///< [count][64], place k at 63 - k
  uint64_t* nonzero = nullptr;      ///< [count], AC only
  size_t count = 0;
};

/// Where one scan is.
struct ScanCursor : BitReader {
  int first = 0;  ///< the band
  int last = 0;
  int low = 0;                  ///< Al
  uint32_t blocks_to_skip = 0;  ///< "EOBRUN"
  bool bad = false;             ///< as EntropyCursor::bad
};

/// \param predictor of the component, in and out.
inline void DecodeDcFirst(ScanCursor& scan, const CodeTable& codes, int* predictor, int16_t* dc) {
  Refill(scan);
  const uint16_t code = codes.Find(static_cast<uint32_t>(scan.bits >> 48));
  const unsigned size = code & 15U;
  scan.bad = scan.bad || code == 0 || size > kMaxDcSize;
  Drop(scan, code >> 8);
  // Its 16 bits: a hostile sum grows beyond any int.
  if (size != 0) *predictor = static_cast<int16_t>(*predictor + Extend(Take(scan, size), size));
  *dc = static_cast<int16_t>(static_cast<uint32_t>(*predictor) << scan.low);
}
inline void RefineDc(ScanCursor& scan, int16_t* dc) {
  if (scan.bit_count < 1) Refill(scan);
  *dc = static_cast<int16_t>(*dc | static_cast<int>(Take(scan, 1)) << scan.low);
}
/// AC scans have one component. SIMD-free, but BMI2 pays: chosen at run time.
void DecodeAcFirst(ScanCursor* scan, const CodeTable& codes, const BlockRun& run);
void RefineAc(ScanCursor* scan, const CodeTable& codes, const BlockRun& run);

}  // namespace photovec::decode::jpeg
