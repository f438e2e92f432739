// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "decode/header_probe.h"

namespace photovec::decode {

/// What a coded picture says of itself, which wins over what its container says of it.
struct StreamFacts {
  int width = 0;  ///< of the largest picture, before any cropping
  int height = 0;
  int luma_bits = 8;
  int chroma_bits = 8;
  int chroma = 1;  ///< 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4
  ColourCode colour;
  /// AV1: which layers each operating point decodes, low byte temporal, the bits from 8 on spatial; 0: all.
  uint32_t operating_points = 1;
  uint32_t layers[32] = {};
  /// AV1: where in the data the first operating point's 12 bits begin, in bits.
  uint64_t layers_at_bit = 0;
};

/// The first sequence header among OBUs. Source: AV1 specification §5.3 to §5.5.
/// \return nothing when there is none, or it is cut. Thread-safe.
std::optional<StreamFacts> ReadAv1Stream(std::span<const uint8_t> obus);

/// The first sequence parameter set in the body of an hvcC box, VUI included. Source: ITU-T H.265 §7.3.2.2
/// and annex E; ISO/IEC 14496-15 §8.3.3. \return nothing when there is none, or it is cut. Thread-safe.
std::optional<StreamFacts> ReadHevcStream(std::span<const uint8_t> hvcc);

}  // namespace photovec::decode
