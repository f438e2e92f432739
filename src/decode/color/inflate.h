// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace photovec::decode {

/// Inflates zlib data that is no longer than `limit` bytes; longer data costs that much memory and time and
/// no more. \return whether it came to its end, checksum included, and is not empty. Thread-safe.
bool InflateBounded(std::span<const uint8_t> deflated, size_t limit, std::vector<uint8_t>* out);

}  // namespace photovec::decode
