// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg/own/progressive_scan.h"

#include <bit>

// Integers only: with AVX-512 g++ keeps them in mask registers, which is slow.
#define HWY_DISABLED_TARGETS (HWY_AVX3 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "decode/formats/jpeg/own/progressive_scan.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace photovec::decode::jpeg {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr uint64_t kFirstPlace = uint64_t{1} << 63;

/// The bits of `source`, from the lowest on, at the set bits of `mask`.
HWY_INLINE uint64_t Spread(uint64_t source, uint64_t mask) {
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86_64
  return __builtin_ia32_pdep_di(source, mask);
#else
  uint64_t spread = 0;
  for (; mask != 0; mask &= mask - 1, source >>= 1) {
    if ((source & 1) != 0) spread |= mask & (~mask + 1);
  }
  return spread;
#endif
}

HWY_INLINE unsigned Count(uint64_t mask) { return static_cast<unsigned>(std::popcount(mask)); }

/// One code as CodeTable has it; 0: there is none such.
HWY_INLINE unsigned NextCode(ScanCursor& scan, const CodeTable& codes) {
  Refill(scan);
  const uint16_t code = codes.Find(static_cast<uint32_t>(scan.bits >> 48));
  Drop(scan, code >> 8);
  return code;
}

/// Of an end-of-band symbol, the block that it ends included.
HWY_INLINE uint32_t BlocksOfRun(ScanCursor& scan, unsigned bits) {
  return static_cast<uint32_t>((uint64_t{1} << bits) + Take(scan, bits));
}

void DecodeAcFirst(ScanCursor* cursor, const CodeTable& codes, const BlockRun& run) {
  ScanCursor scan = *cursor;
  for (size_t block = 0; block < run.count && !scan.bad; ++block) {
    if (scan.blocks_to_skip > 0) {
      --scan.blocks_to_skip;
      continue;
    }
    int16_t* coefficients = run.coefficients + block * kBlockSize;
    uint64_t nonzero = run.nonzero[block];
    for (int place = scan.first; place <= scan.last; ++place) {
      const unsigned code = NextCode(scan, codes);
      const unsigned zeros = (code & 255U) >> 4;
      const unsigned size = code & 15U;
      if (size == 0 && code != 0) {
        if (zeros != 15) {
          scan.blocks_to_skip = BlocksOfRun(scan, zeros) - 1;
          break;
        }
        place += 15;
        continue;
      }
      place += static_cast<int>(zeros);
      if (place > scan.last || size > kMaxAcSize || code == 0) {
        scan.bad = true;
        break;
      }
      coefficients[63 - place] = static_cast<int16_t>(Extend(Take(scan, size), size) * (1 << scan.low));
      nonzero |= kFirstPlace >> place;
    }
    run.nonzero[block] = nonzero;
  }
  *cursor = scan;
}

/// One bit for each coefficient of `mask`: which of them grow.
HWY_INLINE uint64_t TakeCorrections(ScanCursor& scan, uint64_t mask) {
  uint64_t grow = 0;
  unsigned count = Count(mask);
  if (HWY_UNLIKELY(count > 32)) {  // in two halves: a refill gives 56 bits
    uint64_t high = mask & ~uint64_t{0xFFFFFFFF};
    Refill(scan);
    grow = Spread(Take(scan, Count(high)), high);
    mask ^= high;
    count = Count(mask);
  }
  Refill(scan);
  return grow | Spread(Take(scan, count), mask);
}

/// The next bit of those that grow, whose earlier bits are known.
HWY_INLINE void Grow(uint64_t mask, int low, int16_t* coefficients) {
  if (mask == 0) return;
#if HWY_TARGET == HWY_SCALAR
  for (; mask != 0; mask &= mask - 1) {
    int16_t* at = coefficients + std::countr_zero(mask);
    *at = static_cast<int16_t>(*at + (*at < 0 ? -1 : 1) * (1 << low));
  }
#else
  const hn::CappedTag<int16_t, 32> d;
  uint8_t bits[sizeof(mask)];
  std::memcpy(bits, &mask, sizeof(mask));
  const auto one = hn::Set(d, static_cast<int16_t>(1 << low));
  for (size_t i = 0; i < kBlockSize; i += hn::Lanes(d)) {
    const auto values = hn::LoadU(d, coefficients + i);
    const auto step = hn::IfThenElse(hn::Lt(values, hn::Zero(d)), hn::Neg(one), one);
    const auto chosen = hn::LoadMaskBits(d, bits + i / 8);
    hn::StoreU(hn::Add(values, hn::IfThenElseZero(chosen, step)), d, coefficients + i);
  }
#endif
}

/// The places from the first of `open` on, until a zero after `zeros` others takes a new coefficient.
/// \return the place of that zero, as a bit; 0: there was none in the band.
HWY_INLINE uint64_t FindZero(uint64_t open_zeros, unsigned zeros) {
  const unsigned count = Count(open_zeros);
  return zeros < count ? Spread(uint64_t{1} << (count - 1 - zeros), open_zeros) : 0;
}

/// One block that has codes of its own. \return the coefficients that were new.
HWY_INLINE uint64_t RefineBlock(ScanCursor& scan, const CodeTable& codes, uint64_t band, uint64_t nonzero,
                                int16_t* coefficients) {
  uint64_t open = band;  // places that are still to come
  uint64_t added = 0;
  uint64_t grow = 0;
  while (open != 0) {
    const unsigned code = NextCode(scan, codes);
    const unsigned zeros = (code & 255U) >> 4;
    const unsigned size = code & 15U;
    if (size == 0 && zeros != 15 && code != 0) {
      scan.blocks_to_skip = BlocksOfRun(scan, zeros);
      break;
    }
    const bool positive = size != 0 && Take(scan, 1) != 0;
    const uint64_t place = FindZero(open & ~nonzero, zeros);
    if (HWY_UNLIKELY(size > 1 || code == 0 || (size == 1 && place == 0))) {
      scan.bad = true;
      break;
    }
    const uint64_t passed = place != 0 ? ~(place | (place - 1)) : ~uint64_t{0};
    grow |= TakeCorrections(scan, open & nonzero & passed);
    if (size != 0) {
      coefficients[std::countr_zero(place)] =
          static_cast<int16_t>(positive ? 1 << scan.low : -(1 << scan.low));
      added |= place;
    }
    open &= ~(passed | place);
  }
  if (scan.blocks_to_skip > 0) grow |= TakeCorrections(scan, open & nonzero);
  Grow(grow, scan.low, coefficients);
  return added;
}

void RefineAc(ScanCursor* cursor, const CodeTable& codes, const BlockRun& run) {
  ScanCursor scan = *cursor;
  const uint64_t band =
      (~uint64_t{0} >> scan.first) & ~(scan.last == 63 ? 0 : ~uint64_t{0} >> (scan.last + 1));
  for (size_t block = 0; block < run.count && !scan.bad; ++block) {
    int16_t* coefficients = run.coefficients + block * kBlockSize;
    if (scan.blocks_to_skip == 0) {
      run.nonzero[block] |= RefineBlock(scan, codes, band, run.nonzero[block], coefficients);
    } else if (const uint64_t known = band & run.nonzero[block]; known != 0) {
      Grow(TakeCorrections(scan, known), scan.low, coefficients);
    }
    if (scan.blocks_to_skip > 0) --scan.blocks_to_skip;
  }
  *cursor = scan;
}

}  // namespace HWY_NAMESPACE
}  // namespace photovec::decode::jpeg
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace photovec::decode::jpeg {
namespace {

HWY_EXPORT(DecodeAcFirst);
HWY_EXPORT(RefineAc);

}  // namespace

void DecodeAcFirst(ScanCursor* scan, const CodeTable& codes, const BlockRun& run) {
  HWY_DYNAMIC_DISPATCH(DecodeAcFirst)(scan, codes, run);
}
void RefineAc(ScanCursor* scan, const CodeTable& codes, const BlockRun& run) {
  HWY_DYNAMIC_DISPATCH(RefineAc)(scan, codes, run);
}

}  // namespace photovec::decode::jpeg
#endif  // HWY_ONCE
