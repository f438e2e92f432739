// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"
#include "fetch/source.h"

namespace photovec::fetch {

/// What a reply of the JSON API that is not 200 means. Source: cloud.google.com/storage/docs/json_api/v1/
/// status-codes. Error bodies are JSON or, for downloads, often the message alone; both are understood.
/// \param signed_in whether the request carried a token: only then may a new one help.
Refusal JudgeGcsRefusal(const Reply& reply, bool signed_in);

/// The generation, else the ETag, else nothing.
std::string GcsVersion(const Reply& reply);

/// Compares the body with the CRC-32C (or, without one, the MD5) in x-goog-hash. A reply without either, and
/// one that GCS decompressed on the way (its hashes are those of the stored bytes), passes.
/// Errors: kChecksumMismatch.
Status VerifyGcsBody(const Reply& reply, std::span<const uint8_t> body);

}  // namespace photovec::fetch
