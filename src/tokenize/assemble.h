// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tokenize/tokenizer.h"

namespace photovec::tokenize {

/// How many tokens of a text itself a model takes.
inline size_t RoomForText(const TokenizerInfo& info) {
  return static_cast<size_t>(info.max_length) - (info.bos_id >= 0 ? 2 : 1);
}

/// Cuts off what does not fit, puts the tokens of the beginning and the end around the rest, and pads.
/// \param ids of the text itself.
inline Tokens Assemble(std::vector<int32_t> ids, const TokenizerInfo& info) {
  ids.resize(std::min(ids.size(), RoomForText(info)));
  if (info.bos_id >= 0) ids.insert(ids.begin(), info.bos_id);
  ids.push_back(info.eos_id);
  Tokens tokens{std::move(ids)};
  tokens.used = tokens.ids.size();
  if (info.pads) tokens.ids.resize(static_cast<size_t>(info.max_length), info.pad_id);
  return tokens;
}

}  // namespace photovec::tokenize
