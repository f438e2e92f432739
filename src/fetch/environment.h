// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace photovec::fetch {

/// Looks an environment variable up; nullopt when it is not set. Sources ask through this, so that tests and
/// commands decide what they see.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

}  // namespace photovec::fetch
