// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "base/image.h"
#include "base/result.h"

namespace photovec::preprocess {

enum class ResizeMode {
  kShortestEdge,  ///< short side to `resize_short`, aspect kept, then centre crop (CLIP, DINOv2)
  kFixed,         ///< straight to resize_short x resize_short, aspect lost, then centre crop (SigLIP, DINOv3)
  kLongestEdge,  ///< long side to `resize_short`, aspect kept, then padded with black (open_clip's "longest")
  kSquash,       ///< to crop x crop by bicubic without antialias, as the replaced service did
};

/// Where the centre crop of an odd difference begins.
enum class CropRounding {
  kDown,      ///< transformers: floor(difference / 2); of an odd padding the larger half goes first
  kHalfEven,  ///< open_clip: Python's round(difference / 2); of an odd padding the smaller half goes first
};

/// Pillow's filters, by the number that preprocessor_config.json carries in "resample".
enum class Filter { kBilinear = 2, kBicubic = 3, kLanczos = 1 };

/// Everything that turns decoded pixels into the model's input, read from the model's folder.
/// A plain value; copy freely.
struct Spec {
  ResizeMode mode = ResizeMode::kShortestEdge;
  Filter filter = Filter::kBicubic;
  int resize_short = 224;  ///< pixels, see the mode; unused by kSquash
  int crop = 224;          ///< S: the slot is [S,S,3]
  CropRounding rounding = CropRounding::kDown;
  PixelNormalization normalization;

  size_t slot_bytes() const { return static_cast<size_t>(crop) * static_cast<size_t>(crop) * 3; }
};

/// Parses the text of a preprocessor_config.json, or of a processor_config.json with an "image_processor" in
/// it (transformers 5). Knows the processors of CLIP, SigLIP, DINOv2, DINOv3 and TIPSv2 by any of their
/// names, and what each does where keys are missing or null.
/// \param model_type config.json's, which tells the processor where the text names none; CLIP's without both.
/// Errors: kInvalidRequest naming the key, what it holds and what is supported.
Result<Spec> ParseSpec(std::string_view json_text, std::string_view model_type = {});

/// Parses the text of an open_clip_config.json, of which the image size is "model_cfg.vision_cfg.image_size".
/// Errors: as ParseSpec.
Result<Spec> ParseOpenClipSpec(std::string_view json_text);

/// Reads what a model's folder says: its processor_config.json when it has an "image_processor", else its
/// preprocessor_config.json. Its open_clip_config.json, when none of them is there, or when the folder has
/// no model.safetensors (nor the index of its shards), so that open_clip's weights are the ones to be loaded.
/// Errors as ParseSpec, and kNotFound naming the file.
Result<Spec> LoadSpec(const std::string& model_dir);

/// The same model input, but squashed: the preprocessing of vectors that the replaced service stored.
Spec SquashVariant(const Spec& spec);

/// A canonical one-line text of all fields, for fingerprints.
std::string Describe(const Spec& spec);

}  // namespace photovec::preprocess
