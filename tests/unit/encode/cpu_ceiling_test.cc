// SPDX-License-Identifier: MIT
#include "encode/cpu/ceiling.h"

#include <gtest/gtest.h>

#include <thread>

#include "cpu_test_model.h"
#include "encode/cpu/cpu_encoder.h"
#include "encode/reference/reference_encoder.h"

namespace photovec::encode {
namespace {

EncoderOptions Options(int threads) {
  EncoderOptions options;
  options.precision = Precision::kF32;
  options.streams = 1;
  options.threads_per_stream = threads;
  options.max_batch = 4;
  options.pin_threads = false;
  return options;
}

CeilingBatch Images(int count) { return {.images = count, .texts = 0, .tokens = 0}; }

// The bare products of a batch, counted by hand.
double HandCountedFlops(const model::VisionConfig& config, double batch) {
  const double t = config.tokens();
  const double d = config.hidden_size;
  const double f = config.mlp_size;
  const double patch = config.patches() * 3.0 * config.patch_size * config.patch_size * d;
  const double block = t * (4 * d * d + 2 * d * f);
  const double last = t * 2 * d * d + 2 * d * d + 2 * d * f;
  return 2 * batch * (patch + (config.layers - 1) * block + last + d * config.projection_dim);
}

TEST(CeilingProbe, RunsBothKindsBesideTheEncoder) {
  const test::RandomModel model(test::TinyConfig());
  const test::RandomImages pictures(3, 32);
  for (const int threads : {1, 2}) {
    auto encoder = CreateCpuEncoder(model.get(), nullptr, Options(threads));
    ASSERT_TRUE(encoder.ok());
    auto probe = CeilingProbe::Create(**encoder, Images(3));
    ASSERT_TRUE(probe.ok()) << probe.status().ToString();
    EXPECT_DOUBLE_EQ((*probe)->flops_per_batch(), HandCountedFlops(test::TinyConfig(), 3));
    EXPECT_EQ((*probe)->threads_per_stream(), threads);
    std::vector<float> before(3 * 64);
    std::vector<float> after(3 * 64);
    EncoderStream& stream = (*encoder)->stream(0);
    const auto encode = [&](std::vector<float>& out) {
      const auto ticket = stream.Submit(pictures.slots(), out);
      ASSERT_TRUE(ticket.ok());
      ASSERT_TRUE(stream.Wait(*ticket).ok());
    };
    encode(before);
    EXPECT_TRUE((*probe)->RunBatch(0, CeilingProbe::Kind::kDealt).ok());
#if !defined( \
    __SANITIZE_THREAD__)  // oneDNN's own threads are OpenMP's, which ThreadSanitizer does not understand
    EXPECT_TRUE((*probe)->RunBatch(0, CeilingProbe::Kind::kWhole).ok());
#endif
    EXPECT_GT((*probe)->RunPeak(0, 1), 8192.0 * 2 * threads);
    encode(after);
    EXPECT_EQ(before, after) << "the probe must leave the encoder as it was";
  }
}

TEST(CeilingProbe, RefusesOtherBackendsAndBatches) {
  const test::RandomModel model(test::TinyConfig());
  auto encoder = CreateCpuEncoder(model.get(), nullptr, Options(1));
  ASSERT_TRUE(encoder.ok());
  EXPECT_EQ(CeilingProbe::Create(**encoder, Images(0)).status().code(), Code::kInvalidRequest);
  EXPECT_EQ(CeilingProbe::Create(**encoder, Images(5)).status().code(), Code::kInvalidRequest);
  auto reference = CreateReferenceEncoder(model.get(), nullptr, {});
  ASSERT_TRUE(reference.ok());
  EXPECT_EQ(CeilingProbe::Create(**reference, Images(1)).status().code(), Code::kInvalidRequest);
}

}  // namespace
}  // namespace photovec::encode
