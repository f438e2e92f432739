// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg/own/entropy.h"

#include <array>
#include <bit>
#include <cstring>

// Integers only: with AVX-512 g++ keeps them in mask registers, which is slow.
#define HWY_DISABLED_TARGETS (HWY_AVX3 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "decode/formats/jpeg/own/entropy.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef PHOTOVEC_DECODE_JPEG_ENTROPY_ONCE
#define PHOTOVEC_DECODE_JPEG_ENTROPY_ONCE
namespace photovec::decode::jpeg {
namespace {

/// Of position p the offset of place p - 1. Position 0 (a stall, a finished block's zero) writes place 0;
/// what runs over the end of a block writes place 63, as in libjpeg-turbo.
constexpr std::array<uint16_t, 64 + 256> MakePlaceOffsets() {
  std::array<uint16_t, 64 + 256> offsets{};
  for (size_t p = 0; p < offsets.size(); ++p) {
    const size_t place = p == 0 ? 0 : p <= 64 ? kNaturalOrder[p - 1] : 63;
    offsets[p] = static_cast<uint16_t>(place * kRowBytes);
  }
  return offsets;
}
alignas(64) constexpr auto kPlaceOffsets = MakePlaceOffsets();

constexpr std::array<PairEntry, kWindowSize> MakeStall() {
  std::array<PairEntry, kWindowSize> stall{};
  for (PairEntry& entry : stall) entry.first_advance = 1;
  return stall;
}
alignas(64) constexpr auto kStall = MakeStall();

inline void Put(char* coefficients, uint64_t position, int value) {
  const auto coefficient = static_cast<int16_t>(value);
  std::memcpy(coefficients + kPlaceOffsets.data()[position], &coefficient, sizeof(coefficient));
}

/// One symbol by the tables that know all codes: long ones, and those at the last place of a block.
[[gnu::noinline]] void DecodeOneSymbol(EntropyCursor* cursor) {
  EntropyCursor c = *cursor;
  Refill(c);
  const bool is_dc = c.position == 0;
  const BlockTables& tables = *c.target->tables;
  const uint16_t code = (is_dc ? tables.dc_codes : tables.ac_codes).Find(static_cast<uint32_t>(c.bits >> 48));
  const uint32_t length = code != 0 ? code >> 8 : 1U;
  const uint32_t run = is_dc ? 0 : (code & 255U) >> 4;
  const uint32_t size = code & 15U;
  const int most = is_dc ? kMaxDcSize : kMaxAcSize;
  c.bad = c.bad || code == 0 || static_cast<int>(size) > most;
  Drop(c, length);
  const int value = size != 0 ? Extend(Take(c, size), size) : 0;
  c.position += size != 0 || is_dc ? run + 1 : run == 15 ? 16 : kEndOfBlock;
  Put(c.target->coefficients, c.position, value);
  Refill(c);
  const bool over = c.position > 63;
  c.table = over ? c.target[1].dc : c.target->ac;
  if (over) {
    c.position = 0;
    ++c.target;
  }
  *cursor = c;
}

}  // namespace
}  // namespace photovec::decode::jpeg
#endif  // PHOTOVEC_DECODE_JPEG_ENTROPY_ONCE

HWY_BEFORE_NAMESPACE();
namespace photovec::decode::jpeg {
namespace HWY_NAMESPACE {

HWY_INLINE uint64_t CutBits(uint64_t bits, const PairEntry* entry) {
#if HWY_TARGET <= HWY_AVX2
  uint16_t control;  // shift and size, as BEXTR takes them
  std::memcpy(&control, &entry->shift, sizeof(control));
  return __builtin_ia32_bextr_u64(bits, control);
#else
  return bits >> (entry->shift & 63U) & ((uint64_t{1} << entry->size) - 1);
#endif
}

/// At the end of a block: the next one, its DC table, and position 0. Conditional moves, because the ends of
/// blocks cannot be predicted; written out, which is 6% faster than what g++ 12 makes of the lines below.
HWY_INLINE void FinishBlock(uint64_t position, EntropyCursor& c) {
  const PairEntry* table = c.target->ac;
  const BlockTarget* following = c.target + 1;
#if HWY_ARCH_X86_64
  asm("cmpq $64, %[position]\n\t"
      "cmovae %[dc], %[table]\n\t"
      "cmovae %[zero], %[position]\n\t"
      "cmovae %[following], %[target]"
      : [position] "+&r"(position), [table] "+&r"(table), [target] "+&r"(c.target)
      : [dc] "m"(following->dc), [zero] "r"(uint64_t{0}), [following] "r"(following)
      : "cc");
#else
  const bool over = position >= 64;
  table = over ? following->dc : table;
  c.target = over ? following : c.target;
  position = over ? 0 : position;
#endif
  c.table = table;
  c.position = position;
}

/// One look-up.
HWY_INLINE void Step(EntropyCursor& c) {
  const PairEntry* entry = c.table + (c.bits >> (64 - kWindowBits));
  const uint64_t first = c.position + entry->first_advance;
  if (HWY_UNLIKELY(first > 63)) {
    EntropyCursor copy = c;  // so that the registers' own variables have no address
    DecodeOneSymbol(&copy);
    c = copy;
    return;
  }
  char* const coefficients = c.target->coefficients;
  const uint64_t second = c.position + entry->advance;
  Put(coefficients, first, entry->first_value);
  Put(coefficients, second, static_cast<int>(CutBits(c.bits, entry)) + entry->base);
  const uint64_t length = entry->length;
  c.bits <<= length & 63;
  c.bit_count -= length;
  FinishBlock(second, c);
}

void DecodeBlocks(EntropyCursor* cursor, const BlockTarget* end) {
  EntropyCursor c = *cursor;
  while (c.target != end) {
    Refill(c);
    static_assert(kStepsPerRefill == 4);
    Step(c);
    Step(c);
    Step(c);
    Step(c);
  }
  *cursor = c;
}

void DecodeBlocksOfTwo(EntropyCursor* cursor_a, const BlockTarget* end_a, EntropyCursor* cursor_b,
                       const BlockTarget* end_b) {
  EntropyCursor a = *cursor_a;
  EntropyCursor b = *cursor_b;
  while (a.target != end_a && b.target != end_b) {
    Refill(a);
    Refill(b);
    static_assert(kStepsPerRefill == 4);
    Step(a);
    Step(b);
    Step(a);
    Step(b);
    Step(a);
    Step(b);
    Step(a);
    Step(b);
  }
  *cursor_a = a;
  *cursor_b = b;
}

}  // namespace HWY_NAMESPACE
}  // namespace photovec::decode::jpeg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace photovec::decode::jpeg {
namespace {

HWY_EXPORT(DecodeBlocks);
HWY_EXPORT(DecodeBlocksOfTwo);

}  // namespace

BlockTarget StallTarget(char* sink) { return {kStall.data(), kStall.data(), sink, nullptr}; }

void DecodeBlocks(EntropyCursor* cursor, const BlockTarget* end) {
  HWY_DYNAMIC_DISPATCH(DecodeBlocks)(cursor, end);
}

void DecodeBlocksOfTwo(EntropyCursor* a, const BlockTarget* end_a, EntropyCursor* b,
                       const BlockTarget* end_b) {
  HWY_DYNAMIC_DISPATCH(DecodeBlocksOfTwo)(a, end_a, b, end_b);
}

}  // namespace photovec::decode::jpeg
#endif  // HWY_ONCE
