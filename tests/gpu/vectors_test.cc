// SPDX-License-Identifier: MIT
// The plug-in's vectors against the reference encoder's: every shape, part and activation that a family has.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "encode/reference/reference_encoder.h"
#include "gpu/on_device.h"

namespace photovec::encode::cuda {
namespace {

using model::Activation;
using model::VisionConfig;

struct Case {
  std::string name;
  VisionConfig config;
};

VisionConfig With(VisionConfig config, Activation activation) {
  config.activation = activation;
  return config;
}

VisionConfig Plain(VisionConfig config) {  // no projection, no pre-norm
  config.projection_dim = 0;
  config.has_pre_norm = false;
  return config;
}

std::vector<Case> Cases() {
  return {
      {"tiny", Config(224, 32, 128, 2, 2)},
      {"one_block", Config(64, 16, 128, 2, 1)},
      {"T257", Config(224, 14, 128, 2, 2)},
      {"T577", Config(336, 14, 128, 2, 2)},
      {"T730", Config(378, 14, 128, 2, 2)},
      {"heads_of_80", Config(112, 14, 320, 4, 2)},
      {"heads_of_72", Config(112, 14, 288, 4, 2)},
      {"heads_of_16", Config(64, 16, 64, 4, 3)},
      {"wide", Config(64, 16, 768, 12, 3)},
      {"gelu", With(Config(64, 16, 128, 2, 3), Activation::kGeluErf)},
      {"gelu_tanh", With(Config(64, 16, 128, 2, 3), Activation::kGeluTanh)},
      {"no_projection", Plain(Config(64, 16, 128, 2, 3))},
  };
}

TEST_P(OnDevice, GivesTheReferencesVectors) {
  for (const Case& c : Cases()) {
    if (c.config.tokens() > 200 && !WithLargeCases()) continue;
    const test::RandomModel model(c.config);
    const auto images = RandomImages(3, c.config.image_size);
    EncoderOptions reference_options;
    auto reference = CreateReferenceEncoder(model.get(), nullptr, reference_options);
    ASSERT_TRUE(reference.ok());
    OnGpu gpu = Load(model.get(), GetParam(), {.max_batch = 4});
    ASSERT_NE(gpu.stream, nullptr) << c.name;
    const auto dim = static_cast<size_t>(gpu.dim);
    std::vector<float> expected(images.size() * dim);
    const auto slots = Slots(images);
    const auto ticket = (*reference)->stream(0).Submit(slots, expected);
    ASSERT_TRUE(ticket.ok() && (*reference)->stream(0).Wait(*ticket).ok());
    const auto got = gpu.Encode(slots);
    double worst = 1;
    for (size_t i = 0; i < images.size(); ++i) {
      worst = std::min(
          worst, Cosine(std::span(got).subspan(i * dim, dim), std::span(expected).subspan(i * dim, dim)));
    }
    std::printf("  %-14s cosine >= %.8f\n", c.name.c_str(), worst);
    EXPECT_GE(worst, LeastCosine(GetParam())) << c.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, OnDevice, testing::ValuesIn(Precisions()), NameOfPrecision);

}  // namespace
}  // namespace photovec::encode::cuda
