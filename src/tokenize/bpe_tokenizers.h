// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "base/result.h"
#include "tokenize/bpe_files.h"
#include "tokenize/cleaning.h"
#include "tokenize/folder_settings.h"
#include "tokenize/tokenizer.h"

namespace photovec::tokenize {

/// CLIP's byte-level BPE, as transformers' CLIPTokenizer has it (5.24, clip/tokenization_clip.py). Its own
/// rule has everything in lower case already, so of the cleanings only kCanonicalize changes it.
/// Errors: kInvalidRequest saying what the files lack.
Result<std::unique_ptr<const Tokenizer>> MakeClipBpe(BpeFiles files, const FolderSettings& settings,
                                                     TextCleaning cleaning, SpecialTokens special);

/// Gemma's BPE with byte fallback, as transformers' GemmaTokenizer and Siglip2Tokenizer have it (5.24). A
/// whole text
/// is one word; spaces are U+2581. Errors: as MakeClipBpe.
Result<std::unique_ptr<const Tokenizer>> MakeGemmaBpe(BpeFiles files, const FolderSettings& settings,
                                                      TextCleaning cleaning, SpecialTokens special);

/// SigLIP 2's cleaning: what was asked for, or what transformers (open_clip, where its config lies) does with
/// a folder of this kind.
Cleaning CleaningOfSiglip2(const FolderSettings& settings, TextCleaning asked);

}  // namespace photovec::tokenize
