// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "decode/decoder.h"

namespace photovec::decode {

/// What this process can decode with libheif.
struct HeifSupport {
  bool hevc = false;  ///< HEIC
  bool av1 = false;   ///< AVIF
  /// "libheif 1.15.1 (libde265 HEVC decoder, version 1.0.11; dav1d v1.0.0)", or what is missing and what to
  /// do.
  std::string detail;
};

/// Loads libheif and its decoders, for good. libheif has had many memory errors, so only the sandboxed worker
/// calls this, before it is locked in; nothing has to be opened afterwards. Without it, and where the library
/// is not installed, HEIC and AVIF are refused with a message that says what to do. Call at most once, before
/// any other thread decodes.
const HeifSupport& EnableHeif();

/// What EnableHeif() found; nothing when it was not called. Thread-safe after EnableHeif().
const HeifSupport& GetHeifSupport();

}  // namespace photovec::decode
