// SPDX-License-Identifier: MIT
#include "decode/formats/jpeg/own/scan_data.h"

#include <cstring>

namespace photovec::decode::jpeg {

bool Unstuff(std::span<const uint8_t> file, size_t begin, uint8_t* out, std::vector<Segment>* segments,
             Unstuffed* result) {
  const uint8_t* at = file.data() + begin;
  const uint8_t* const end = file.data() + file.size();
  uint8_t* to = out;
  const uint8_t* segment = out;
  unsigned restarts = 0;
  for (;;) {
    const auto* found = static_cast<const uint8_t*>(std::memchr(at, 0xFF, static_cast<size_t>(end - at)));
    if (found == nullptr || end - found < 2) return false;
    const auto plain = static_cast<size_t>(found - at);
    std::memcpy(to, at, plain);
    to += plain;
    at = found + 2;
    if (found[1] == 0) {
      *to++ = 0xFF;
      continue;
    }
    if (found[1] == 0xFF) return false;
    segments->push_back({static_cast<size_t>(segment - out), static_cast<size_t>(to - segment)});
    segment = to;
    const bool restart = found[1] >= 0xD0 && found[1] <= 0xD7;
    if (!restart) {
      std::memset(to, 0, kUnstuffedPadding);
      *result = {static_cast<size_t>(to - out), static_cast<size_t>(found - file.data())};
      return true;
    }
    if (found[1] != 0xD0 + (restarts++ & 7U)) return false;
  }
}

}  // namespace photovec::decode::jpeg
