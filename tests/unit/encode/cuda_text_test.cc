// SPDX-License-Identifier: MIT
// Texts through the host's half of the CUDA backend, on GPUs that are not there.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "encode/cuda/cuda_encoder.h"
#include "testing/fake_cuda.h"
#include "unit/encode/cpu_test_model.h"

namespace photovec::encode::cuda {
namespace {

constexpr size_t kDim = 16;

class CudaTextTest : public testing::Test {
 protected:
  CudaTextTest() : model_(ImageConfig()), text_(test::RandomText(TextConfig())) {
    for (int i = 0; i < 40; ++i) {
      const auto length = static_cast<size_t>(1 + i % 10);
      ids_.emplace_back(length, i);
      ids_.back().back() = 50 + i % 10;
    }
    texts_.assign(ids_.begin(), ids_.end());
  }

  static model::VisionConfig ImageConfig() {
    model::VisionConfig config = test::TinyConfig();
    config.projection_dim = kDim;
    return config;
  }
  static model::TextConfig TextConfig() {
    model::TextConfig config;
    config.hidden_size = 32;
    config.layers = 1;
    config.heads = 2;
    config.mlp_size = 64;
    config.vocabulary_size = 100;
    config.max_tokens = 20;
    config.projection_dim = kDim;
    return config;
  }

  struct Lanes {
    int streams = 0;
    int text_streams = 0;
    int max_batch = 0;
  };
  Result<std::unique_ptr<CudaEncoder>> Make(Lanes lanes, Clock::duration patience = std::chrono::minutes(1),
                                            bool with_text = true) {
    EncoderOptions options;
    options.streams = lanes.streams;
    options.text_streams = lanes.text_streams;
    options.max_batch = lanes.max_batch;
    CudaEncoder::Settings settings;
    settings.least_patience = patience;
    return CudaEncoder::Create(platform_, model_.get(), with_text ? &text_ : nullptr, options, settings);
  }
  std::span<const TokenIds> Texts(size_t first, size_t count) const {
    return std::span(texts_).subspan(first, count);
  }
  // The fake's vectors: first id, last id, length, first id, …
  void ExpectRows(std::span<const float> out, size_t first) const {
    for (size_t i = 0; i * kDim < out.size(); ++i) {
      const std::vector<int32_t>& ids = ids_[first + i];
      const float wanted[3] = {static_cast<float>(ids.front()), static_cast<float>(ids.back()),
                               static_cast<float>(ids.size())};
      for (size_t d = 0; d < kDim; ++d) ASSERT_EQ(out[i * kDim + d], wanted[d % 3]) << i;
    }
  }
  // Submits and waits; kOk, or the first error.
  static Status Run(EncoderStream& stream, std::span<const TokenIds> texts, std::span<float> out) {
    ASSIGN_OR_RETURN(const Ticket ticket, stream.SubmitTexts(texts, out));
    return stream.Wait(ticket);
  }

  device::test::FakePlatform platform_;
  encode::test::RandomModel model_;
  model::TextModel text_;
  std::vector<std::vector<int32_t>> ids_;
  std::vector<TokenIds> texts_;
};

TEST_F(CudaTextTest, SaysWhatItTakes) {
  const auto encoder = Make({.streams = 1, .text_streams = 0, .max_batch = 8});
  ASSERT_TRUE(encoder.ok()) << encoder.status().ToString();
  const EncoderInfo& info = (*encoder)->info();
  ASSERT_TRUE(info.text.has_value());
  EXPECT_EQ(info.text->max_tokens, 20);
  EXPECT_EQ(info.text->max_batch, 8);
  EXPECT_EQ(info.text->max_batch_tokens, 8 * 16) << "sixteen a text";
  EXPECT_TRUE(info.text->causal);
  EXPECT_GT(info.text->flops_per_token, 0);
  EXPECT_EQ((*encoder)->text_stream_count(), 0);
  EXPECT_TRUE((*encoder)->Warmup().ok());
  EXPECT_EQ(platform_.faults.starts, 4);
  EXPECT_EQ(platform_.faults.text_starts, 2);
}

TEST_F(CudaTextTest, ABatchHasRoomForTheLongestTextAtLeast) {
  const auto one = Make({.streams = 1, .text_streams = 0, .max_batch = 1});
  ASSERT_TRUE(one.ok());
  EXPECT_EQ((*one)->info().text->max_batch_tokens, 20);
  text_.config.causal = false;
  const auto padded = Make({.streams = 1, .text_streams = 0, .max_batch = 8});
  ASSERT_TRUE(padded.ok());
  EXPECT_EQ((*padded)->info().text->max_batch_tokens, 8 * 20) << "every text is padded";
  EXPECT_TRUE((*padded)->Warmup().ok());
  std::vector<float> out(kDim);
  EXPECT_EQ(Run((*padded)->stream(0), Texts(4, 1), out).code(), Code::kInternal) << "not padded";
}

TEST_F(CudaTextTest, ImagesAndTextsAreInFlightTogether) {
  const auto encoder = Make({.streams = 1, .text_streams = 0, .max_batch = 8});
  ASSERT_TRUE(encoder.ok());
  EncoderStream& stream = (*encoder)->stream(0);
  const test::RandomImages images(2, 32);
  std::vector<float> image_vectors(2 * kDim);
  std::vector<float> text_vectors(5 * kDim);
  for (int round = 0; round < 3; ++round) {
    const auto first = stream.Submit(images.slots(), image_vectors);
    const auto second = stream.SubmitTexts(Texts(3, 5), text_vectors);
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(stream.SubmitTexts(Texts(0, 1), std::span(text_vectors).first(kDim)).status().code(),
              Code::kInternal)
        << "two are in flight";
    ASSERT_TRUE(stream.Wait(*first).ok());
    ASSERT_TRUE(stream.Wait(*second).ok());
    ExpectRows(text_vectors, 3);
    EXPECT_EQ(image_vectors[0], static_cast<float>(images.pixels(0)[0]));
  }
}

TEST_F(CudaTextTest, RefusesWrongUse) {
  const auto encoder = Make({.streams = 1, .text_streams = 0, .max_batch = 8});
  ASSERT_TRUE(encoder.ok());
  EncoderStream& stream = (*encoder)->stream(0);
  std::vector<float> out(9 * kDim);
  const auto refused = [&](std::span<const TokenIds> texts, size_t floats) {
    return stream.SubmitTexts(texts, std::span(out).first(floats)).status().code() == Code::kInternal;
  };
  EXPECT_TRUE(refused({}, 0));
  EXPECT_TRUE(refused(Texts(0, 9), 9 * kDim)) << "more than max_batch";
  EXPECT_TRUE(refused(Texts(0, 2), kDim)) << "no room";
  const std::vector<int32_t> long_text(21);
  const std::vector<int32_t> unknown = {3, 100};
  const std::vector<int32_t> negative = {-1};
  for (const TokenIds bad : {TokenIds(long_text), TokenIds(unknown), TokenIds(negative), TokenIds()}) {
    EXPECT_TRUE(refused({&bad, 1}, kDim)) << bad.size();
  }
  EXPECT_EQ(platform_.faults.starts, 0) << "none of them reaches the device";
  EXPECT_EQ(Make({.streams = 0, .text_streams = -1, .max_batch = 0}).status().code(), Code::kInvalidRequest);
  EXPECT_EQ(Make({.streams = 0, .text_streams = 1000, .max_batch = 0}).status().code(),
            Code::kInvalidRequest);
}

TEST_F(CudaTextTest, AModelWithoutATextTowerTakesNone) {
  const auto encoder =
      Make({.streams = 1, .text_streams = 2, .max_batch = 0}, std::chrono::minutes(1), false);
  ASSERT_TRUE(encoder.ok());
  EXPECT_FALSE((*encoder)->info().text.has_value());
  EXPECT_EQ((*encoder)->stream_count(), 1);
  EXPECT_EQ((*encoder)->text_stream_count(), 0);
  std::vector<float> out(kDim);
  EXPECT_EQ(Run((*encoder)->stream(0), Texts(0, 1), out).code(), Code::kInternal);
}

TEST_F(CudaTextTest, TheLastStreamsTakeTextsAlone) {
  const auto encoder = Make({.streams = 2, .text_streams = 1, .max_batch = 8});
  ASSERT_TRUE(encoder.ok());
  EXPECT_EQ((*encoder)->stream_count(), 3);
  EXPECT_EQ((*encoder)->text_stream_count(), 1);
  EXPECT_NE((*encoder)->info().detail.find("3 streams, 1 of them for texts alone"), std::string::npos)
      << (*encoder)->info().detail;
  EXPECT_TRUE((*encoder)->Warmup().ok());
  const test::RandomImages images(1, 32);
  std::vector<float> out(kDim);
  EXPECT_EQ((*encoder)->stream(2).Submit(images.slots(), out).status().code(), Code::kInternal);
  ASSERT_TRUE(Run((*encoder)->stream(2), Texts(7, 1), out).ok());
  ExpectRows(out, 7);
}

TEST_F(CudaTextTest, LessMemoryHalvesTheBatch) {
  const auto encoder = Make({.streams = 1, .text_streams = 0, .max_batch = 32});
  ASSERT_TRUE(encoder.ok());
  platform_.faults.most_start_batch = 3;
  std::vector<float> out(29 * kDim);
  ASSERT_TRUE(Run((*encoder)->stream(0), Texts(5, 29), out).ok());
  ExpectRows(out, 5);
  platform_.faults.most_start_batch = 0;
  EXPECT_EQ(Run((*encoder)->stream(0), Texts(0, 29), out).code(), Code::kDeviceOutOfMemory);
  platform_.faults.most_start_batch = 32;
  ASSERT_TRUE(Run((*encoder)->stream(0), Texts(2, 29), out).ok()) << "that batch alone failed";
  ExpectRows(out, 2);
}

TEST_F(CudaTextTest, LessMemoryAtTheStartMakesSmallerBatches) {
  platform_.faults.most_stream_batch = 20;
  const auto encoder = Make({.streams = 1, .text_streams = 1, .max_batch = 64});
  ASSERT_TRUE(encoder.ok()) << encoder.status().ToString();
  EXPECT_EQ((*encoder)->info().max_batch, 16);
  EXPECT_EQ((*encoder)->info().text->max_batch, 16);
  EXPECT_EQ((*encoder)->info().text->max_batch_tokens, 16 * 16);
}

TEST_F(CudaTextTest, AStickyErrorOfATextStopsImagesToo) {
  const auto encoder = Make({.streams = 1, .text_streams = 1, .max_batch = 8});
  ASSERT_TRUE(encoder.ok());
  std::vector<float> out(kDim);
  platform_.faults.dones_until_sticky = 0;
  const Status failed = Run((*encoder)->stream(1), Texts(0, 1), out);
  EXPECT_EQ(failed.code(), Code::kDeviceFailed);
  EXPECT_NE(failed.message().find("illegal memory access"), std::string::npos) << failed.message();
  const test::RandomImages images(1, 32);
  EXPECT_EQ((*encoder)->stream(0).Submit(images.slots(), out).status().code(), Code::kDeviceFailed);
  EXPECT_EQ(platform_.faults.calls_after_sticky, 0);
}

TEST_F(CudaTextTest, AHangOfATextStreamLosesItAlone) {
  auto encoder = Make({.streams = 1, .text_streams = 1, .max_batch = 8}, std::chrono::milliseconds(20));
  ASSERT_TRUE(encoder.ok());
  platform_.faults.hanging_stream = 1;
  std::vector<float> out(2 * kDim);
  EXPECT_EQ(Run((*encoder)->stream(1), Texts(0, 2), out).code(), Code::kDeviceFailed);
  EXPECT_FALSE((*encoder)->stream(1).usable());
  ASSERT_TRUE(Run((*encoder)->stream(0), Texts(4, 2), out).ok()) << "the stream for both goes on";
  ExpectRows(out, 4);
  encoder->reset();
  EXPECT_EQ(platform_.faults.frees_while_hanging, 0);
}

}  // namespace
}  // namespace photovec::encode::cuda
