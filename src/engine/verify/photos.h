// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/slot_pool.h"
#include "preprocess/spec.h"

namespace photovec::engine {

/// Pictures as a model takes them. Move-only; the slots' memory is its own.
struct ModelPhotos {
  std::unique_ptr<SlotPool> pool;
  std::vector<SlotRef> slots;
  std::vector<std::pair<std::string, Status>> refused;  ///< file, and why it was left out
  std::optional<size_t> cats;                           ///< the slot of the published picture (kCatsName)
  bool made_up = false;

  std::vector<PixelSlot> views() const;
};

/// Decodes the files in this process, in full, and preprocesses them; without any, draws some pictures of
/// smooth light and noise, always the same. Errors: kUnavailable without memory; kInvalidRequest when every
/// file is refused.
Result<ModelPhotos> LoadPhotos(const std::vector<std::string>& files, const preprocess::Spec& spec);

}  // namespace photovec::engine
