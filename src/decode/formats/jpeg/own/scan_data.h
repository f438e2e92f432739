// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace photovec::decode::jpeg {

/// The bits between two restart markers: bytes [begin, begin + size) of the unstuffed data.
struct Segment {
  size_t begin = 0;
  size_t size = 0;
};

/// Readable bytes that follow the unstuffed data: what a refill may read beyond the end of a segment.
inline constexpr size_t kUnstuffedPadding = 64;

struct Unstuffed {
  size_t size = 0;  ///< of the unstuffed data
  size_t end = 0;   ///< where in `file` the marker lies that ended it
};

/// Copies one scan's entropy-coded data, which begins at file[begin], without the zeros that are stuffed
/// behind 0xFF, and appends to `segments` the pieces between restart markers, which must count up from 0.
/// So that the decoder may load 8 bytes wherever it is and never looks for markers.
/// Reads only `file`. Writes at most file.size() - begin + kUnstuffedPadding bytes to `out`: every byte
/// written has a byte of input of its own, and zeros follow the last one.
/// \return false when the data does not end at a marker, a restart marker is out of order, or there is a fill
/// byte: libjpeg-turbo's business.
bool Unstuff(std::span<const uint8_t> file, size_t begin, uint8_t* out, std::vector<Segment>* segments,
             Unstuffed* result);

}  // namespace photovec::decode::jpeg
