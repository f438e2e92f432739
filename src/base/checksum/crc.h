// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

/// `before`, where there is one: the CRC of the bytes that came before these, for bytes in pieces.
/// Thread-safe.
namespace photovec {

/// CRC-32 of zip, gzip and PNG (ISO-HDLC), by zlib.
uint32_t Crc32(std::span<const uint8_t> bytes);

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4). Uses the SSE4.2 instruction where the CPU has it: about 10 us
/// for a photo of 150 KB, ten times that without.
uint32_t Crc32c(std::span<const uint8_t> bytes, uint32_t before = 0);
/// The same with tables, on any CPU.
uint32_t Crc32cPortable(std::span<const uint8_t> bytes, uint32_t before = 0);

/// CRC-64/NVME (NVM Express NVM Command Set Specification 1.0 §5.2.1.3.4): what S3 computes of every upload
/// that brings no checksum. With tables: about 100 us for a photo of 150 KB.
uint64_t Crc64Nvme(std::span<const uint8_t> bytes);

}  // namespace photovec
