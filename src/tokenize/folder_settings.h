// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenize/added_tokens.h"
#include "tokenize/tokenizer.h"

namespace photovec::tokenize {

/// What the small JSON files of a model's folder say about its texts. Absent files and fields leave the
/// values here.
struct FolderSettings {
  std::string tokenizer_class;     ///< tokenizer_config.json, without a final "Fast"; may be empty
  std::string model_type;          ///< config.json: "clip", "siglip", "siglip2"; may be empty
  std::optional<int> max_length;   ///< the smallest that any of them states
  std::string bos, eos, pad, unk;  ///< contents of these tokens; may be empty
  std::vector<AddedToken> added;   ///< tokenizer_config.json, added_tokens_decoder
  bool open_clip = false;          ///< there is an open_clip_config.json
  std::string open_clip_clean;     ///< its text_cfg.tokenizer_kwargs.clean
};

/// What tokenizer.json and tokenizer_config.json say of one token; its id stands elsewhere. Errors: kInvalidRequest
/// naming the field after `path`.
Result<AddedToken> ParseAddedToken(const boost::json::object& object, std::string path);

/// The tokens to look for in texts: `tokens` (of tokenizer.json), overruled by those of the settings, and the
/// beginning, end, padding and unknown token where the vocabulary has them. Without special ones when these
/// are literal.
/// \param find the id of a token in the vocabulary, or -1.
std::vector<AddedToken> AddedTokensOf(std::vector<AddedToken> tokens, const FolderSettings& settings,
                                      const std::function<int32_t(const std::string&)>& find,
                                      SpecialTokens special);

/// The bytes of FOLDER/NAME; nullopt when there is no such file. Errors: as ReadFile, with the name before them.
Result<std::optional<std::string>> ReadIfThere(const std::string& folder, std::string_view name);

/// Errors: kInvalidRequest naming the file and what is wrong in it.
Result<FolderSettings> ReadFolderSettings(const std::string& folder);

}  // namespace photovec::tokenize
