// SPDX-License-Identifier: MIT
#include "model/families/clip.h"

#include <array>

namespace photovec::model {
namespace {

struct Shape {
  int image_size, patch_size, hidden_size, layers, heads, mlp_size, projection_dim;
};

VisionConfig Clip(const Shape& shape) {
  VisionConfig config;
  config.architecture = "CLIPVisionModelWithProjection";
  config.image_size = shape.image_size;
  config.patch_size = shape.patch_size;
  config.hidden_size = shape.hidden_size;
  config.layers = shape.layers;
  config.heads = shape.heads;
  config.mlp_size = shape.mlp_size;
  config.projection_dim = shape.projection_dim;
  return config;
}

}  // namespace

std::span<const Preset> ClipPresets() {
  // arXiv:2103.00020, table 20. tiny keeps the real input size, so that decode, resize and slots cost what
  // they cost with a real model, while encoding costs next to nothing.
  static const std::array kPresets = {
      Preset{"tiny", "2 layers of width 128: for tests, and where encoding should cost next to nothing",
             Clip({.image_size = 224,
                   .patch_size = 32,
                   .hidden_size = 128,
                   .layers = 2,
                   .heads = 2,
                   .mlp_size = 512,
                   .projection_dim = 64})},
      Preset{"clip-vit-b-32", "OpenAI CLIP ViT-B/32, 8.8 GFLOP an image",
             Clip({.image_size = 224,
                   .patch_size = 32,
                   .hidden_size = 768,
                   .layers = 12,
                   .heads = 12,
                   .mlp_size = 3072,
                   .projection_dim = 512})},
      Preset{"clip-vit-b-16", "OpenAI CLIP ViT-B/16, 35 GFLOP an image",
             Clip({.image_size = 224,
                   .patch_size = 16,
                   .hidden_size = 768,
                   .layers = 12,
                   .heads = 12,
                   .mlp_size = 3072,
                   .projection_dim = 512})},
      Preset{"clip-vit-l-14", "OpenAI CLIP ViT-L/14, 162 GFLOP an image",
             Clip({.image_size = 224,
                   .patch_size = 14,
                   .hidden_size = 1024,
                   .layers = 24,
                   .heads = 16,
                   .mlp_size = 4096,
                   .projection_dim = 768})},
      Preset{"clip-vit-l-14-336", "OpenAI CLIP ViT-L/14 at 336 pixels, 382 GFLOP an image",
             Clip({.image_size = 336,
                   .patch_size = 14,
                   .hidden_size = 1024,
                   .layers = 24,
                   .heads = 16,
                   .mlp_size = 4096,
                   .projection_dim = 768})},
  };
  return kPresets;
}

}  // namespace photovec::model
