// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

/// Names that image files have. The one table of them: what a file is, its content decides (decode/sniff.h).
namespace photovec {

/// Whether a name ends as those of a supported format do (".jpg", ".HEIC", ".cr2", ...), in any case.
bool HasImageName(std::string_view name);

/// The last extension of a file's name, with its dot, in lower case; empty when it has none, or one of more
/// than 10 characters or of others than letters and digits.
std::string ExtensionOf(std::string_view name);

/// "videos" or "sounds" where an extension (as ExtensionOf() gives it) is known as one of theirs; else empty.
std::string_view MediaKindOf(std::string_view extension);

}  // namespace photovec
