// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "decode/formats/heif/plan.h"

namespace photovec::decode {

/// The first picture of an image sequence (AVIF and HEIC animations) that has no still image: sample 1 of its
/// first track of pictures, with that of the track of its transparency. Sources: ISO/IEC 14496-12 §8.3 to
/// §8.7 and §12.1; ISO/IEC 23008-12 §7. \return nothing when the file has no tracks (`moov`).
/// \param name what messages call the file.
/// Errors: kImageCorrupt, kUnsupportedFormat (no track that can be decoded, or samples in fragments).
std::optional<Result<HeifPlan>> ReadHeifSequence(std::span<const uint8_t> file, const std::string& name);

}  // namespace photovec::decode
