// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace photovec {

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4). Uses the SSE4.2 instruction where the CPU has it: about 10 us
/// for a photo of 150 KB, ten times that without.
uint32_t Crc32c(std::span<const uint8_t> bytes);
/// The same with tables, on any CPU.
uint32_t Crc32cPortable(std::span<const uint8_t> bytes);

/// MD5 (RFC 1321): about 200 us for a photo of 150 KB. Errors: kUnavailable when OpenSSL is configured
/// without it.
Result<std::array<uint8_t, 16>> Md5(std::span<const uint8_t> bytes);

}  // namespace photovec
