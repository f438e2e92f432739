// SPDX-License-Identifier: MIT
#include "model/presets.h"

#include <algorithm>
#include <string>

#include "model/families/clip.h"
#include "model/families/dino.h"
#include "model/families/siglip.h"

namespace photovec::model {

const std::vector<Preset>& Presets() {
  static const std::vector<Preset> kAll = [] {
    std::vector<Preset> all;
    for (const auto& family : {ClipPresets(), SiglipPresets(), DinoPresets()}) {
      all.insert(all.end(), family.begin(), family.end());
    }
    std::stable_partition(all.begin(), all.end(),
                          [](const Preset& preset) { return preset.name.starts_with("tiny"); });
    return all;
  }();
  return kAll;
}

Result<Preset> PresetNamed(std::string_view name) {
  std::string names;
  for (const Preset& preset : Presets()) {
    if (preset.name == name) return preset;
    if (!names.empty()) names += ", ";
    names += preset.name;
  }
  return Status(Code::kInvalidRequest, "no preset \"" + std::string(name) + "\"; there are: " + names);
}

Result<VisionConfig> FindPreset(std::string_view name) {
  ASSIGN_OR_RETURN(Preset preset, PresetNamed(name));
  return std::move(preset.config);
}

}  // namespace photovec::model
