// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace photovec {

/// Looks an environment variable up; nullopt when it is not set. Whoever reads the environment asks through
/// this, so that tests and commands decide what it sees.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

/// The variables of this process.
EnvironmentLookup ProcessEnvironment();
/// Their names.
std::vector<std::string> EnvironmentNames();

}  // namespace photovec
