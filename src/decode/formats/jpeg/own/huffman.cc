// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg/own/huffman.h"

#include <algorithm>

namespace photovec::decode::jpeg {
namespace {

/// One symbol at the head of a window. `bits` 0: not to be found there.
struct Symbol {
  int bits = 0;        ///< of the code
  int size = 0;        ///< of the magnitude
  int advance = 0;     ///< places to its coefficient
  bool whole = false;  ///< the magnitude lies in the window, too
  int base = 0;        ///< added to the magnitude's bits
  int value = 0;       ///< when whole
};

enum class Kind { kDc, kAc };

/// \param window kWindowBits bits.
/// \param room   how many of them are known, from the first on.
Symbol Read(const CodeTable& codes, Kind kind, size_t window, int room) {
  const uint16_t code = codes.FindShort(window);
  Symbol symbol;
  symbol.bits = code >> 8;
  const int run = kind == Kind::kAc ? (code & 255) >> 4 : 0;
  symbol.size = kind == Kind::kAc ? code & 15 : code & 255;
  if (code == 0 || symbol.bits > room) return {};
  if (symbol.size == 0) {
    symbol.advance = kind == Kind::kDc ? 1 : run == 15 ? 16 : kEndOfBlock;
    symbol.whole = true;
    return symbol;
  }
  const int most = kind == Kind::kDc ? kMaxDcSize : kMaxAcSize;
  const int left = room - symbol.bits;
  if (symbol.size > most || left < 1 || symbol.bits + symbol.size > kMaxStepBits) return {};
  const bool negative = (window >> (kWindowBits - symbol.bits - 1) & 1U) == 0;
  symbol.advance = run + 1;
  symbol.base = negative ? 1 - (1 << symbol.size) : 0;
  symbol.whole = symbol.size <= left;
  if (symbol.whole) {
    const size_t magnitude = window >> (kWindowBits - symbol.bits - symbol.size);
    symbol.value = static_cast<int>(magnitude & ((size_t{1} << symbol.size) - 1)) + symbol.base;
  }
  return symbol;
}

PairEntry Entry(int length, int first_advance, int first_value, int advance, const Symbol& second) {
  PairEntry entry{};
  entry.length = static_cast<uint8_t>(length);
  entry.first_advance = static_cast<uint8_t>(first_advance);
  entry.shift = static_cast<uint8_t>(64 - length);
  entry.size = static_cast<uint8_t>(second.size);
  entry.base = static_cast<int16_t>(second.base);
  entry.first_value = static_cast<int8_t>(first_value);
  entry.advance = static_cast<uint8_t>(advance);
  return entry;
}

PairEntry MakeEntry(const CodeTable& codes, Kind kind, const CodeTable& ac, size_t window) {
  const Symbol first = Read(codes, kind, window, kWindowBits);
  if (first.bits == 0) return Entry(0, kSlowEntry, 0, 0, {});
  const int length = first.bits + first.size;
  const bool small = first.value >= INT8_MIN && first.value <= INT8_MAX;
  if (first.whole && small && first.advance < kEndOfBlock) {
    const size_t rest = window << length & (kWindowSize - 1);
    const Symbol second = Read(ac, Kind::kAc, rest, kWindowBits - length);
    const int both = length + second.bits + second.size;
    if (second.bits != 0 && both <= kMaxStepBits) {
      return Entry(both, first.advance, first.value, first.advance + second.advance, second);
    }
  }
  return Entry(length, 1, 0, first.advance, first);
}

}  // namespace

bool HasDcSizes(const HuffmanSpec& spec) {
  return std::all_of(spec.symbols.begin(), spec.symbols.end(), [](int size) { return size <= 15; });
}

bool CodeTable::Build(const HuffmanSpec& spec) {
  short_.fill(0);
  long_.fill(0);
  uint32_t code = 0;
  size_t index = 0;
  bool has_long = false;
  for (unsigned bits = 1; bits <= 16; ++bits, code <<= 1) {
    for (unsigned i = 0; i < spec.counts[bits - 1]; ++i, ++code, ++index) {
      if (code + 1 >= uint32_t{1} << bits) return false;
      const auto entry = static_cast<uint16_t>(bits << 8 | spec.symbols[index]);
      const uint32_t first = code << (16 - bits);
      if (bits <= kWindowBits) {
        const size_t places = size_t{1} << (kWindowBits - bits);
        std::fill_n(short_.begin() + (first >> (16 - kWindowBits)), places, entry);
        continue;
      }
      if (!has_long) long_base_ = first;
      has_long = true;
      std::fill_n(long_.begin() + (first - long_base_), size_t{1} << (16 - bits), entry);
    }
  }
  return true;
}

std::shared_ptr<const BlockTables> TableCache::Get(const HuffmanSpec& dc, const HuffmanSpec& ac) {
  if (!dc.defined || !ac.defined) return nullptr;
  size_t oldest = 0;
  for (size_t i = 0; i < kept_.size(); ++i) {
    if (kept_[i] != nullptr && kept_[i]->dc_spec == dc && kept_[i]->ac_spec == ac) {
      used_at_[i] = ++now_;
      return kept_[i];
    }
    if (used_at_[i] < used_at_[oldest]) oldest = i;
  }
  std::shared_ptr<BlockTables>& tables = kept_[oldest];
  if (tables == nullptr || tables.use_count() > 1) tables = std::make_shared<BlockTables>();
  tables->dc_spec = {};  // a failure leaves nothing to be found
  if (!HasDcSizes(dc) || !tables->dc_codes.Build(dc) || !tables->ac_codes.Build(ac)) return nullptr;
  for (size_t window = 0; window < kWindowSize; ++window) {
    tables->dc[window] = MakeEntry(tables->dc_codes, Kind::kDc, tables->ac_codes, window);
    tables->ac[window] = MakeEntry(tables->ac_codes, Kind::kAc, tables->ac_codes, window);
  }
  tables->dc_spec = dc;
  tables->ac_spec = ac;
  used_at_[oldest] = ++now_;
  return tables;
}

}  // namespace photovec::decode::jpeg
