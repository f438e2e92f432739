// SPDX-License-Identifier: MIT
#pragma once

#include "cli/flag_set.h"
#include "engine/options.h"

namespace photovec::commands {

/// Declares --model, --precision, ... in the groups Model, Encoder and Decoding.
/// \param options outlives `flags`.
void DeclareEngineFlags(cli::FlagSet& flags, engine::EngineOptions* options);
/// The group Decoding alone, for commands without an encoder.
void DeclareDecodeFlags(cli::FlagSet& flags, engine::EngineOptions* options);

}  // namespace photovec::commands
