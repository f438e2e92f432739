// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/status.h"

namespace photovec::net {

/// Takes the framing off a chunked body, byte by byte, and takes nothing that two readers could understand
/// differently: lines end with CR LF, a size is 1 to 16 hex digits below 2^63, extensions begin with ';' and
/// are ignored, trailer fields are checked for their form and dropped. Not thread-safe. Source: RFC 9112
/// §7.1.
class ChunkDecoder {
 public:
  /// A body of more pieces than this is refused: peers that send single bytes cost more than they carry.
  static constexpr size_t kMaxChunks = 65'536;
  static constexpr size_t kMaxLineBytes = 4096;          ///< a chunk's size with its extensions
  static constexpr size_t kMaxTrailerBytes = 16 * 1024;  ///< of all trailer fields together

  struct Progress {
    size_t used = 0;     ///< bytes taken from `data`
    size_t written = 0;  ///< bytes of body put into `dest`
    Status status;       ///< kInvalidRequest: the chunks are malformed or too many; nothing may be fed then
  };
  /// Goes on until `data` is used up, `dest` is full, the body is complete or an error.
  Progress Feed(std::string_view data, std::span<uint8_t> dest);
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State {
    kSize,          // hex digits
    kBlank,         // blanks between the size and ';'
    kExtension,     // behind ';'
    kSizeEnd,       // the LF of a size's line
    kData,          // bytes of the body
    kDataCr,        // CR behind them
    kDataEnd,       // LF behind them
    kTrailerStart,  // the first byte of a trailer's line, or CR of the last line
    kTrailerName,   // up to ':'
    kTrailerValue,  // up to CR
    kTrailerEnd,    // the LF of a trailer's line
    kLastEnd,       // the LF of the last line
    kDone,
  };
  /// One byte of framing. A message when it may not stand there, else nullptr.
  const char* Take(char c);
  const char* TakeSize(char c);
  const char* TakeTrailer(char c);
  const char* EndSizeLine(char c);

  State state_ = State::kSize;
  uint64_t left_ = 0;  // of this chunk; while its size is read: the size so far
  size_t digits_ = 0;
  size_t line_bytes_ = 0;
  size_t trailer_bytes_ = 0;
  size_t chunks_ = 0;
};

}  // namespace photovec::net
