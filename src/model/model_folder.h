// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/result.h"

namespace photovec::model {

/// Where the model's files lie: `dir`, or the sub-folder of a model of sentence-transformers, which has a
/// config.json there (0_CLIPModel/) and at the top only modules.json, a list of what a photo or a text goes
/// through:
/// [{"idx": 0, "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}, ...].
/// Errors: kInvalidRequest naming modules.json when it is malformed, or lists a module behind the model that would
/// change its vectors; normalising is done here anyway.
Result<std::string> ModelFolder(const std::string& dir);

}  // namespace photovec::model
