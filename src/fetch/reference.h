// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace photovec::fetch {

/// What kind of source a reference names.
enum class Scheme { kData, kHttp, kFile, kGcs, kS3, kUnknown };

/// By what the text begins with, in any case. kFile for "file:" and for anything without a scheme (a bare
/// name); kUnknown for "something://".
Scheme SchemeOf(std::string_view reference);

/// The reference without the blanks and line ends before its scheme, which people and templates leave there.
/// A bare name stays as it is: files may be called so.
std::string_view WithoutLead(std::string_view reference);

/// A kFile reference without "file:" before it.
bool IsBareName(std::string_view reference);

/// A reference as messages may show it: in quotes, without query string, fragment or credentials, valid UTF-8
/// without control characters, at most about 200 bytes ("..." marks a cut). Data URLs: only their beginning.
std::string Shown(std::string_view reference);

}  // namespace photovec::fetch
