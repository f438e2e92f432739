// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace photovec::fetch {

/// The text of the first element `name` of an XML answer of AWS, with entities decoded; nullopt when it is
/// not there, or not closed. Not an XML parser: comments, CDATA and nesting mean nothing to it, which is
/// enough for errors and STS answers, whose elements are named once and hold text.
std::optional<std::string> XmlText(std::string_view xml, std::string_view name);

}  // namespace photovec::fetch
