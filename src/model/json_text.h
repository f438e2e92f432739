// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/object.hpp>
#include <string_view>

#include "base/result.h"

namespace photovec::model {

/// Parses text that must be one JSON object in which no key appears twice (Boost.JSON keeps the last of them
/// without a word, so that two readers of one file might see different tensors).
/// Errors: kInvalidRequest saying what is wrong.
Result<boost::json::object> ParseJsonObject(std::string_view text);

}  // namespace photovec::model
