// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace photovec::experiment {

/// The style sheet of report.html. Needs nothing from outside: system fonts, no images.
std::string_view PageStyle();

}  // namespace photovec::experiment
