// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "commands/command.h"

namespace photovec::commands {

/// `photovec doctor`: what this machine has, which defaults follow from it, what is missing; with --model
/// also whether that folder loads and runs.
std::unique_ptr<Command> MakeDoctorCommand();

}  // namespace photovec::commands
