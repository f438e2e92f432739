// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/checksum/digest.h"

namespace photovec::experiment {

/// The checksums that object stores keep of an object.
struct ObjectDigest {
  std::string md5_hex;        ///< 32 lower-case digits: the S3 ETag
  std::string md5_base64;     ///< as GCS writes it
  std::string crc32c_base64;  ///< big-endian, as GCS writes it
};

/// Computes both in one pass over bytes that come in pieces. Not thread-safe.
class Digester {
 public:
  void Update(std::span<const uint8_t> bytes);
  ObjectDigest Finish();  ///< call once, last

 private:
  Md5Hasher md5_;
  uint32_t crc_ = 0;
};

}  // namespace photovec::experiment
