// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "decode/decoder.h"

namespace photovec::decode {

/// The format by content (of ISO base media files by their brands); names and declared types are never
/// trusted. kUnknown for everything that photovec does not know how to decode, empty input included; whether
/// this process can is another matter (formats/libraries.h). A file so short that only a prefix of a
/// signature is left counts as that format (its decoder then says that it is truncated).
Format Sniff(std::span<const uint8_t> encoded);

/// For people, when Sniff() said kUnknown: what the bytes look like and what is supported instead, for
/// instance "this looks like an HTML page, not a photo; supported are JPEG, PNG, WebP and GIF". Formats
/// of libraries are listed where this process has them.
std::string DescribeUnsupported(std::span<const uint8_t> encoded);

}  // namespace photovec::decode
