// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "fetch/source.h"

namespace photovec::fetch {

/// As whom a request was made that S3 refused.
struct S3Caller {
  bool signed_in = true;
  bool renewable = false;  ///< asking for credentials again may bring other ones
};

/// What a refusal means, by S3's error code where the body has one, else by status. Messages carry S3's code
/// and never its message, which names accounts.
Refusal JudgeS3Refusal(const Reply& reply, const S3Caller& caller);

/// The region that a reply of 301, 307 or 400 says the bucket is in; nullopt when it does not say.
std::optional<std::string> RegionOfReply(const Reply& reply);

/// ETag and version id; empty when the reply has neither.
std::string S3Version(const Reply& reply);

/// Compares one checksum of the whole object, the cheapest that the reply has: CRC-32C, CRC-64/NVME, CRC-32,
/// SHA-256, SHA-1. Those of multipart uploads that are made of the checksums of parts ("...-3") say nothing
/// about the bytes as they are, and are passed over. The ETag is not compared: it is the MD5 for some objects
/// only, and MD5 costs as much as decoding a small photo.
Status VerifyS3Body(const Reply& reply, std::span<const uint8_t> body);

}  // namespace photovec::fetch
