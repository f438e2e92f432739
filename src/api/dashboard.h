// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace photovec::api {

/// The page at "/": one self-contained HTML document (dashboard.html, embedded by CMake) that polls /stats.
std::string_view DashboardHtml();

}  // namespace photovec::api
