// SPDX-License-Identifier: MIT
#include "model/presets.h"

#include <string>

#include "model/families/clip.h"

namespace photovec::model {

std::span<const Preset> Presets() { return ClipPresets(); }  // the only family so far

Result<VisionConfig> FindPreset(std::string_view name) {
  std::string names;
  for (const Preset& preset : Presets()) {
    if (preset.name == name) return preset.config;
    if (!names.empty()) names += ", ";
    names += preset.name;
  }
  return Status(Code::kInvalidRequest, "no preset \"" + std::string(name) + "\"; there are: " + names);
}

}  // namespace photovec::model
