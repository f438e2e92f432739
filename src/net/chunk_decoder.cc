// SPDX-License-Identifier: MIT
#include "net/chunk_decoder.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "net/http_text.h"

namespace photovec::net {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr uint64_t kMostBefore =
    (uint64_t{1} << 59U) - 1;  // one more digit, and the size is still below 2^63

}  // namespace

const char* ChunkDecoder::TakeSize(char c) {
  const int value = HexValue(c);
  if (value >= 0) {
    if (++digits_ > 16 || left_ > kMostBefore) return "a chunk's size is not below 2^63";
    left_ = left_ * 16 + static_cast<uint64_t>(value);
    return nullptr;
  }
  if (digits_ == 0) return "a chunk begins without its size in hex digits";
  if (c == ';') {
    state_ = State::kExtension;
  } else if (IsBlank(c)) {
    state_ = State::kBlank;
  } else if (c == '\r') {
    state_ = State::kSizeEnd;
  } else {
    return "a chunk's size is not a number in hex digits, ended by CR LF";
  }
  return nullptr;
}

const char* ChunkDecoder::EndSizeLine(char c) {
  if (c != '\n') return "a chunk's line is not ended by CR LF";
  line_bytes_ = 0;
  digits_ = 0;
  if (left_ == 0) {
    state_ = State::kTrailerStart;
    return nullptr;
  }
  state_ = State::kData;
  return ++chunks_ > kMaxChunks ? "more than 65536 chunks" : nullptr;
}

const char* ChunkDecoder::TakeTrailer(char c) {
  if (++trailer_bytes_ > kMaxTrailerBytes) return "its trailer is larger than 16 KiB";
  switch (state_) {
    case State::kTrailerStart:
      if (c == '\r') {
        state_ = State::kLastEnd;
        return nullptr;
      }
      state_ = State::kTrailerName;
      return IsTokenByte(c) ? nullptr : "a trailer field has no name";
    case State::kTrailerName:
      if (c == ':') state_ = State::kTrailerValue;
      return c == ':' || IsTokenByte(c) ? nullptr
                                        : "a trailer field's name has a byte that may not stand there";
    case State::kTrailerValue:
      if (c == '\r') state_ = State::kTrailerEnd;
      return c == '\r' || IsTextByte(c) ? nullptr
                                        : "a trailer field's value has a byte that may not stand there";
    default:  // kTrailerEnd
      state_ = State::kTrailerStart;
      return c == '\n' ? nullptr : "a trailer field is not ended by CR LF";
  }
}

const char* ChunkDecoder::Take(char c) {
  switch (state_) {
    case State::kSize:
    case State::kBlank:
    case State::kExtension:
      if (++line_bytes_ > kMaxLineBytes) return "a chunk's line is longer than 4 KiB";
      if (state_ == State::kSize) return TakeSize(c);
      if (state_ == State::kBlank) {
        if (c == ';') state_ = State::kExtension;
        return c == ';' || IsBlank(c) ? nullptr
                                      : "a chunk's size is followed by a blank without an extension";
      }
      if (c == '\r') state_ = State::kSizeEnd;
      return c == '\r' || IsTextByte(c) ? nullptr : "a chunk's line is not ended by CR LF";
    case State::kSizeEnd:
      return EndSizeLine(c);
    case State::kDataCr:
      state_ = State::kDataEnd;
      return c == '\r' ? nullptr : "a chunk is longer than its size says";
    case State::kDataEnd:
      state_ = State::kSize;
      return c == '\n' ? nullptr : "a chunk is not ended by CR LF";
    case State::kLastEnd:
      state_ = State::kDone;
      return c == '\n' ? nullptr : "the last line is not ended by CR LF";
    default:
      return TakeTrailer(c);
  }
}

ChunkDecoder::Progress ChunkDecoder::Feed(std::string_view data, std::span<uint8_t> dest) {
  Progress progress;
  while (!done() && progress.used < data.size() && progress.written < dest.size()) {
    if (state_ == State::kData) {
      const uint64_t room = std::min(data.size() - progress.used, dest.size() - progress.written);
      const auto n = static_cast<size_t>(std::min(left_, room));
      std::memcpy(dest.data() + progress.written, data.data() + progress.used, n);
      progress.used += n;
      progress.written += n;
      left_ -= n;
      if (left_ == 0) state_ = State::kDataCr;
      continue;
    }
    if (const char* wrong = Take(data[progress.used]); wrong != nullptr) {
      progress.status = Status(Code::kInvalidRequest, std::string("malformed chunked body: ") + wrong);
      return progress;
    }
    ++progress.used;
  }
  return progress;
}

}  // namespace photovec::net
