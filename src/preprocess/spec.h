// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/image.h"
#include "base/result.h"

namespace photovec::preprocess {

enum class ResizeMode {
  kShortestEdge,  ///< short side to `resize_short`, aspect kept, then centre crop (CLIP)
  kSquash,  ///< straight to crop x crop, aspect lost; bicubic without antialias, as the replaced service did
};

/// Pillow's filters, by the number that preprocessor_config.json carries in "resample".
enum class Filter { kBilinear = 2, kBicubic = 3, kLanczos = 1 };

/// Everything that turns decoded pixels into the model's input, read from preprocessor_config.json.
/// A plain value; copy freely.
struct Spec {
  ResizeMode mode = ResizeMode::kShortestEdge;
  Filter filter = Filter::kBicubic;
  int resize_short = 224;  ///< pixels; unused by kSquash
  int crop = 224;          ///< S: the slot is [S,S,3]
  PixelNormalization normalization;

  size_t slot_bytes() const { return static_cast<size_t>(crop) * static_cast<size_t>(crop) * 3; }
};

/// Parses the text of a preprocessor_config.json. Understands integer and dictionary forms of "size" and
/// "crop_size", missing keys (transformers' CLIP defaults), and do_* switches.
/// Errors: kInvalidRequest naming the key, what it holds and what is supported.
Result<Spec> ParseSpec(std::string_view json_text);

/// Reads DIR/preprocessor_config.json. Errors as ParseSpec, and kNotFound naming the file.
Result<Spec> LoadSpec(const std::string& model_dir);

/// The same model input, but squashed: the preprocessing of vectors that the replaced service stored.
Spec SquashVariant(const Spec& spec);

/// A canonical one-line text of all fields, for fingerprints.
std::string Describe(const Spec& spec);

}  // namespace photovec::preprocess
