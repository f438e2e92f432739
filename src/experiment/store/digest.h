// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

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
  Digester();
  ~Digester();
  Digester(const Digester&) = delete;
  Digester& operator=(const Digester&) = delete;
  void Update(std::span<const uint8_t> bytes);
  ObjectDigest Finish();  ///< call once, last

 private:
  void* md5_;  // EVP_MD_CTX
  uint32_t crc_ = 0xFFFFFFFFU;
};

}  // namespace photovec::experiment
