// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

/// How the texts in answers of AWS (S3, STS, metadata servers) are read.
namespace photovec::fetch {

/// The text of the first element `name` of an XML answer of AWS, with entities decoded; nullopt when it is
/// not there, or not closed. Not an XML parser: comments, CDATA and nesting mean nothing to it, which is
/// enough for errors and STS answers, whose elements are named once and hold text.
std::optional<std::string> XmlText(std::string_view xml, std::string_view name);

/// "2026-11-27T01:02:03Z", fractions of seconds and "+00:00" allowed; nullopt for anything else.
std::optional<std::chrono::system_clock::time_point> ParseAwsTime(std::string_view text);

/// A text of a foreign server as messages may carry it: at most 64 characters, letters, digits and ".-_:";
/// AWS's error codes are such. Others become "?".
std::string SafeCode(std::string_view text);

}  // namespace photovec::fetch
