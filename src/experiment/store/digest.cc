// SPDX-License-Identifier: MIT
#include "experiment/store/digest.h"

#include <array>

#include "base/checksum/crc.h"
#include "base/text/ascii.h"
#include "base/text/base64.h"

namespace photovec::experiment {

void Digester::Update(std::span<const uint8_t> bytes) {
  md5_.Update(bytes);
  crc_ = Crc32c(bytes, crc_);
}

ObjectDigest Digester::Finish() {
  const std::array<uint8_t, 16> md5 = md5_.Digest().value_or(std::array<uint8_t, 16>{});
  const std::array<uint8_t, 4> big_endian = {static_cast<uint8_t>(crc_ >> 24),
                                             static_cast<uint8_t>(crc_ >> 16),
                                             static_cast<uint8_t>(crc_ >> 8), static_cast<uint8_t>(crc_)};
  return {HexEncode(md5), Base64Encode(md5), Base64Encode(big_endian)};
}

}  // namespace photovec::experiment
