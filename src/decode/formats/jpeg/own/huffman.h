// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "decode/formats/jpeg/own/headers.h"

/// Huffman tables that give two symbols a look-up.
///
/// A window of the next 11 bits finds an entry of 8 bytes. It holds a first coefficient whose code and
/// magnitude both lie in the window, and a second one of which at least the code and the sign do; the rest of
/// its magnitude is cut out of the bit buffer. Where the window holds one symbol only, the first coefficient
/// is a zero that the second one, or nobody, writes over. DC and AC are the same step: a DC entry's second
/// symbol is the block's first AC symbol.
namespace photovec::decode::jpeg {

inline constexpr int kWindowBits = 11;
inline constexpr size_t kWindowSize = size_t{1} << kWindowBits;
/// Bits that one look-up may use up, so that kStepsPerRefill of them never need more than a refill leaves.
inline constexpr int kStepsPerRefill = 4;
inline constexpr int kMaxStepBits = 56 / kStepsPerRefill;
/// What an end-of-block adds to the place in the block: it is over.
inline constexpr int kEndOfBlock = 128;
inline constexpr uint8_t kSlowEntry = 255;

/// Sizes of magnitudes in an 8-bit photo (T.81 table F.1, F.2); above: libjpeg-turbo's business.
inline constexpr int kMaxDcSize = 11;
inline constexpr int kMaxAcSize = 10;

/// Whether a DC table's symbols are sizes, which libjpeg-turbo insists on.
bool HasDcSizes(const HuffmanSpec& spec);

struct PairEntry {
  uint8_t length;         ///< bits that both symbols take, magnitudes included
  uint8_t first_advance;  ///< places to the first coefficient, 1 to 16; kSlowEntry: not in this table
  uint8_t shift;          ///< the second magnitude: 64 - length ...
  uint8_t size;           ///< ... and its bits,
  int16_t base;           ///< ... to which this is added
  int8_t first_value;
  uint8_t advance;  ///< places to the second coefficient; kEndOfBlock and more: the block is over
};
static_assert(sizeof(PairEntry) == 8);

/// One symbol at a time, codes of any length. An entry: bits of the code << 8 | symbol; 0: no such code.
class CodeTable {
 public:
  /// \return false for what libjpeg-turbo refuses (more codes of a length than there are, all-ones codes).
  bool Build(const HuffmanSpec& spec);

  /// \param bits the next 16.
  uint16_t Find(uint32_t bits) const {
    const uint16_t entry = short_[bits >> (16 - kWindowBits)];
    if (entry != 0) return entry;
    const uint32_t index = bits - long_base_;  // wraps below the first long code: then it is large
    return index < long_.size() ? long_[index] : uint16_t{0};
  }
  uint16_t FindShort(size_t window) const { return short_[window]; }

 private:
  std::array<uint16_t, kWindowSize> short_;
  // Codes of more than 11 bits follow each other, and 256 symbols have at most 256 * 2^(16 - 12) places.
  std::array<uint16_t, 4096> long_;
  uint32_t long_base_ = 0;
};

/// Everything for the blocks of one component.
struct BlockTables {
  HuffmanSpec dc_spec;
  HuffmanSpec ac_spec;
  CodeTable dc_codes;
  CodeTable ac_codes;
  alignas(64) std::array<PairEntry, kWindowSize> dc;
  alignas(64) std::array<PairEntry, kWindowSize> ac;
};

/// Tables made before: building takes some 30 us, and photos of one encoder have the same ones. Photos that
/// are decoded at the same time share them, so that both find them in the first-level cache. Not thread-safe.
class TableCache {
 public:
  /// nullptr when the tables are not valid.
  std::shared_ptr<const BlockTables> Get(const HuffmanSpec& dc, const HuffmanSpec& ac);

 private:
  std::array<std::shared_ptr<BlockTables>, 6> kept_;
  std::array<uint64_t, 6> used_at_{};
  uint64_t now_ = 0;
};

}  // namespace photovec::decode::jpeg
