// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "base/tensor_view.h"
#include "model/presets.h"

namespace photovec::model {

struct ModelFile {
  std::string name;
  std::string text;
};

/// The files of a model folder beside its weights, as transformers writes them: the preprocessing, a
/// tokenizer where there is a text tower, and config.json last, without which a folder does not look like a
/// model.
///
/// The tokenizers are made here and know no words: CLIP's has one token for each byte within a word and one
/// for each at its end (vocab.json, and merges.txt without merges), SigLIP's one for each byte
/// (tokenizer.json, in the form of Gemma's; SentencePiece files are not written).
/// \param trained the preset with the picture size that its file is for.
std::vector<ModelFile> ModelFiles(const Preset& trained, DType dtype);

}  // namespace photovec::model
