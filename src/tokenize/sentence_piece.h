// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "tokenize/folder_settings.h"
#include "tokenize/tokenizer.h"

namespace photovec::tokenize {

/// How transformers treats a SentencePiece model, which says less than its tokenizer class.
enum class SentencePieceKind {
  kSiglip,   ///< SiglipTokenizer: a leading U+2581, cleaned between special tokens, padded with the end token
  kSiglip2,  ///< GemmaTokenizer, Siglip2Tokenizer: as the model is
};

/// SentencePiece in front of SigLIP's and SigLIP 2's text towers.
/// \param model the bytes of spiece.model or tokenizer.model; trusted like weights. Not needed afterwards.
/// Errors: kInvalidRequest when it is none, or lacks a token that the settings name.
Result<std::unique_ptr<const Tokenizer>> MakeSentencePiece(const std::string& model, SentencePieceKind kind,
                                                           const FolderSettings& settings,
                                                           TextCleaning cleaning, SpecialTokens special);

}  // namespace photovec::tokenize
