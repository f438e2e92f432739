// SPDX-License-Identifier: MIT
#include "model/text_model.h"

namespace photovec::model {

Result<std::optional<TextModel>> LoadTextModel(const std::string& /*model_dir*/) {
  return std::optional<TextModel>();
}

}  // namespace photovec::model
