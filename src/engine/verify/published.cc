// SPDX-License-Identifier: MIT
#include "engine/verify/published.h"

namespace photovec::engine {
namespace {

// Ids by `tokenizers` 0.23.3 in the pipeline of transformers 5.24's CLIPTokenizer over OpenAI's vocabulary
// (bpe_simple_vocab_16e6.txt.gz). Those of plain ASCII are open_clip's SimpleTokenizer's, too.
const TokenVector kClipVectors[] = {
    {"a photo of a cat", {320, 1125, 539, 320, 2368}},
    {"a diagram", {320, 22697}},
    {"Hello World!", {3306, 1002, 256}},
    {"", {}},
    {"it's a dog's 2nd birthday, 2024", {585, 568, 320, 1929, 568, 273, 1764, 1166, 267, 273, 271, 273, 275}},
    {"Café au lait", {15304, 2566, 572, 585}},
    {"Cafe\u0301 au lait", {15304, 2566, 572, 585}},
    {"日本 東京タワー", {39121, 19277, 361, 48338, 21078, 105, 34941, 2429, 107, 30391}},
    {"한국", {15197, 250, 31871, 511}},
    {"हिन्दी नमस्ते", {29446, 26721, 26090, 19389, 29552, 25751, 3124, 101, 48254, 28505, 19389, 27263, 25130}},
    {"straße ISTANBUL İ", {1894, 127, 253, 324, 12258, 328, 16384}},
    {"😀 sunset🌅", {7334, 3424, 27547}},
    {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", {32035, 32035, 32035, 32035, 32035, 32035, 5675, 22819}},
    {"I'LL 'RE", {328, 1342, 982}},
    {"½ x² 10", {33613, 343, 41175, 272, 271}},
    {"a_b-c", {320, 318, 321, 268, 322}},
    {"&amp; fish", {261, 6259, 282, 2759}},
    {"ΟΔΟΣ Σ", {138, 123, 138, 112, 138, 123, 139, 481, 139, 481}},
};

// Of google/siglip-base-patch16-224 (C4, English, 32,000 pieces).
const TokenVector kSiglipVectors[] = {
    {"the real mountain view", {260, 638, 3293, 870}},
    {"San Francisco", {262, 264, 452, 20563, 15949}},
    {"A long paragraph for summarization.", {262, 266, 476, 8532, 270, 4460, 3949, 1682}},
    {"Zürich", {262, 761, 5879, 5345}},
    {"a picture of a laptop with the lockscreen on, a cup of cappucino, salt and pepper grinders. The view "
     "through the window reveals lake Zürich and the Alps in the background of the city.",
     {262,  266, 1357,  267,  262,  266,  4429, 275,  260,   3940, 6360, 277, 262,  266, 3064, 267,
      3549, 388, 16538, 296,  298,  2617, 263,  4869, 14998, 264,  260,  870, 393,  260, 1710, 7958,
      4324, 262, 761,   5879, 5345, 263,  260,  1518, 388,   264,  268,  260, 1970, 267, 260,  741}},
};

const KnownVocabulary kVocabularies[] = {
    {"OpenAI's CLIP", "tokenizers 0.23.3 as transformers 5.24 sets it up", "clip-bpe/hf", 49'408,
     kClipVectors},
    {"SigLIP's English one", "transformers, tests/models/siglip/test_tokenization_siglip.py",
     "siglip/canonicalize", 32'000, kSiglipVectors},
};

// What tells a published checkpoint.
struct Known {
  int hidden_size = 0;
  int layers = 12;
  int patch_size = 0;
  int image_size = 224;
  int registers = 0;
  model::Pooling pooling = model::Pooling::kClassToken;
  model::Positions positions = model::Positions::kLearned;
  model::Activation activation = model::Activation::kGeluErf;
  int64_t vocabulary_size = 0;  // 0: no texts are asked for
  PublishedNumbers numbers;
};

const Known kKnown[] = {
    {.hidden_size = 768,
     .patch_size = 32,
     .activation = model::Activation::kQuickGelu,
     .vocabulary_size = 49'408,
     .numbers =
         {"openai/clip-vit-base-patch32",
          "transformers, tests/models/clip/test_modeling_clip.py, CLIPModelIntegrationTest.test_inference",
          {"a photo of a cat", "a photo of a dog"},
          {24.5701F, 19.3049F}}},
    {.hidden_size = 768,
     .patch_size = 16,
     .pooling = model::Pooling::kAttention,
     .activation = model::Activation::kGeluTanh,
     .vocabulary_size = 32'000,
     .numbers = {"google/siglip-base-patch16-224",
                 "transformers, tests/models/siglip/test_modeling_siglip.py, "
                 "SiglipModelIntegrationTest.test_inference",
                 {"a photo of 2 cats", "a photo of 2 dogs"},
                 {-0.7567F, -10.3354F}}},
    {.hidden_size = 768,
     .patch_size = 14,
     .numbers = {"facebook/dinov2-base",
                 "transformers, tests/models/dinov2/test_modeling_dinov2.py, test_inference_no_head",
                 {},
                 {-2.1747F, -0.4729F, 1.0936F}}},
    {.hidden_size = 768,
     .patch_size = 14,
     .registers = 4,
     .numbers = {"facebook/dinov2-with-registers-base",
                 "transformers, tests/models/dinov2_with_registers/test_modeling_dinov2_with_registers.py, "
                 "test_inference_no_head",
                 {},
                 {-0.4638F, -1.4563F, -0.0289F}}},
    {.hidden_size = 384,
     .patch_size = 16,
     .registers = 4,
     .positions = model::Positions::kRotary,
     .numbers = {"facebook/dinov3-vits16-pretrain-lvd1689m",
                 "transformers, tests/models/dinov3_vit/test_modeling_dinov3_vit.py, test_inference_no_head",
                 {},
                 {0.4637F, -0.4160F, 0.4086F, -0.1265F, -0.2865F}}},
};

}  // namespace

const KnownVocabulary* FindVocabulary(const tokenize::TokenizerInfo& info) {
  for (const KnownVocabulary& known : kVocabularies) {
    if (info.vocabulary_size == known.size && info.rule == known.rule) return &known;
  }
  return nullptr;
}

const PublishedNumbers* FindPublished(const model::VisionConfig& image, const model::TextConfig* text) {
  for (const Known& known : kKnown) {
    const bool same = image.hidden_size == known.hidden_size && image.layers == known.layers &&
                      image.patch_size == known.patch_size && image.image_size == known.image_size &&
                      image.register_tokens == known.registers && image.pooling == known.pooling &&
                      image.positions == known.positions && image.activation == known.activation &&
                      !image.gated_mlp;
    const bool texts = known.vocabulary_size == 0
                           ? image.projection_dim == 0
                           : text != nullptr && text->vocabulary_size == known.vocabulary_size;
    if (same && texts) return &known.numbers;
  }
  return nullptr;
}

}  // namespace photovec::engine
