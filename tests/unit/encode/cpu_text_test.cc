// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cpu_test_model.h"
#include "encode/cpu/cpu_encoder.h"
#include "encode/reference/reference_encoder.h"

namespace photovec::encode::cpu_text {
namespace {

using test::Compare;
using test::HasBf16;
using Floats = std::vector<float>;
using Config = model::TextConfig;

Config ClipText() {
  Config config;
  config.architecture = "CLIPModel";
  config.hidden_size = 128;
  config.layers = 3;
  config.heads = 2;
  config.mlp_size = 256;
  config.vocabulary_size = 500;
  config.max_tokens = 77;
  config.projection_dim = 64;
  return config;
}

Config SiglipText() {
  Config config = ClipText();
  config.architecture = "SiglipModel";
  config.activation = model::Activation::kGeluTanh;
  config.layer_norm_eps = 1e-6F;
  config.max_tokens = 64;
  config.causal = false;
  config.has_projection_bias = true;
  return config;
}

/// Texts of these lengths with random words.
class Texts {
 public:
  Texts(const std::vector<int>& lengths, int vocabulary) {
    std::mt19937 random(5);
    for (const int length : lengths) {
      std::vector<int32_t>& ids = ids_.emplace_back();
      for (int i = 0; i < length; ++i)
        ids.push_back(static_cast<int32_t>(random() % static_cast<unsigned>(vocabulary)));
    }
    all_.assign(ids_.begin(), ids_.end());
  }
  std::span<const TokenIds> all() const { return all_; }

 private:
  std::vector<std::vector<int32_t>> ids_;
  std::vector<TokenIds> all_;
};

Floats Encode(Encoder& encoder, int stream, std::span<const TokenIds> texts) {
  Floats out(texts.size() * static_cast<size_t>(encoder.info().embedding_dim));
  const auto ticket = encoder.stream(stream).SubmitTexts(texts, out);
  EXPECT_TRUE(ticket.ok()) << ticket.status().ToString();
  if (ticket.ok()) {
    const Status status = encoder.stream(stream).Wait(*ticket);
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  return out;
}

EncoderOptions Options(Precision precision, int threads = 1) {
  EncoderOptions options;
  options.precision = precision;
  options.streams = 1;
  options.threads_per_stream = threads;
  options.pin_threads = false;
  options.normalization = test::ClipNormalization();
  return options;
}

model::VisionConfig ImagesBeside(const Config& text) {
  model::VisionConfig config = test::TinyConfig();
  config.layers = 1;
  config.projection_dim = text.embedding_dim();
  return config;
}

struct Towers {
  explicit Towers(const Config& config) : images(ImagesBeside(config)), text(test::RandomText(config)) {}

  std::unique_ptr<Encoder> Make(const EncoderOptions& options) const {
    auto encoder = CreateCpuEncoder(images.get(), &text, options);
    EXPECT_TRUE(encoder.ok()) << encoder.status().ToString();
    return encoder.ok() ? std::move(encoder).value() : nullptr;
  }
  std::unique_ptr<Encoder> Reference() const {
    auto encoder = CreateReferenceEncoder(images.get(), &text, Options(Precision::kF32));
    EXPECT_TRUE(encoder.ok()) << encoder.status().ToString();
    return encoder.ok() ? std::move(encoder).value() : nullptr;
  }

  test::RandomModel images;
  model::TextModel text;
};

void ExpectReference(const Config& config, const std::vector<int>& lengths, const std::string& name) {
  const Towers towers(config);
  const Texts texts(lengths, config.vocabulary_size);
  const auto dim = static_cast<size_t>(config.embedding_dim());
  const Floats expected = Encode(*towers.Reference(), 0, texts.all());
  for (const int threads : {1, 2}) {
    auto encoder = towers.Make(Options(Precision::kF32, threads));
    EXPECT_LT(Compare(Encode(*encoder, 0, texts.all()), expected, dim).max_abs, 4e-6)
        << name << " " << threads;
  }
  if (!HasBf16()) return;
  auto encoder = towers.Make(Options(Precision::kBF16));
  EXPECT_GT(Compare(Encode(*encoder, 0, texts.all()), expected, dim).min_cosine, 0.9995) << name;
}

TEST(CpuText, EqualsTheReference) {
  ExpectReference(ClipText(), {1, 2, 7, 8, 9, 16, 17, 30, 76, 77}, "CLIP");
  ExpectReference(SiglipText(), {64, 64, 64}, "SigLIP");
  const auto changed = [](Config config, auto change) {
    change(config);
    return config;
  };
  ExpectReference(changed(ClipText(), [](Config& c) { c.layers = 1; }), {1, 5, 77}, "one layer");
  ExpectReference(changed(ClipText(), [](Config& c) { c.projection_dim = 0; }), {1, 5, 77}, "no projection");
  ExpectReference(changed(ClipText(), [](Config& c) { c.activation = model::Activation::kGeluErf; }), {3, 9},
                  "gelu");
  ExpectReference(changed(SiglipText(), [](Config& c) { c.max_tokens = 16; }), {16, 16}, "16 tokens");
  ExpectReference(changed(SiglipText(), [](Config& c) { c.hidden_size = 144, c.projection_dim = 144; }), {64},
                  "heads of 72");
}

TEST(CpuText, NeighboursAndThreadsNeverChangeABit) {
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    if (precision == Precision::kBF16 && !HasBf16()) continue;
    for (Config config : {ClipText(), SiglipText()}) {
      config.hidden_size = 256;
      config.heads = 4;
      config.mlp_size = 1024;
      const Towers towers(config);
      std::vector<int> lengths;
      for (int i = 0; i < 40; ++i)
        lengths.push_back(config.causal ? 1 + i * 31 % config.max_tokens : config.max_tokens);
      const Texts texts(lengths, config.vocabulary_size);
      const auto dim = static_cast<std::ptrdiff_t>(config.embedding_dim());
      auto single = towers.Make(Options(precision));
      Floats alone;
      for (size_t i = 0; i < texts.all().size(); ++i) {
        const Floats one = Encode(*single, 0, texts.all().subspan(i, 1));
        alone.insert(alone.end(), one.begin(), one.end());
      }
      for (int threads = 1; threads <= 3; ++threads) {
        auto encoder = towers.Make(Options(precision, threads));
        const TextInfo& info = *encoder->info().text;
        for (const size_t batch : {1, 2, 3, 5, 6, 11, 17, 40}) {
          for (size_t first = 0; first + batch <= texts.all().size(); first += 7) {
            const auto some = texts.all().subspan(first, batch);
            size_t tokens = 0;
            for (const TokenIds ids : some) tokens += ids.size();
            if (batch > static_cast<size_t>(info.max_batch) ||
                tokens > static_cast<size_t>(info.max_batch_tokens))
              continue;
            const Floats together = Encode(*encoder, 0, some);
            ASSERT_TRUE(std::equal(together.begin(), together.end(),
                                   alone.begin() + static_cast<std::ptrdiff_t>(first) * dim))
                << config.architecture << ", batch " << batch << " from " << first << ", " << threads
                << " threads";
          }
        }
      }
    }
  }
}

TEST(CpuText, LanesForTextsTakeNoImages) {
  const Towers towers(ClipText());
  const test::RandomImages pictures(2, 32);
  const Texts texts({5, 9}, 500);
  EncoderOptions options = Options(Precision::kF32);
  options.text_streams = 2;
  auto encoder = towers.Make(options);
  EXPECT_EQ(encoder->stream_count(), 3);
  EXPECT_EQ(encoder->text_stream_count(), 2);
  ASSERT_TRUE(encoder->Warmup().ok());
  Floats out(2 * 64);
  EXPECT_EQ(encoder->stream(1).Submit(pictures.slots(), out).status().code(), Code::kInternal);
  const Floats expected = Encode(*encoder, 0, texts.all());
  EXPECT_EQ(Encode(*encoder, 2, texts.all()), expected);
  // Images and texts take turns on a stream, in the same buffers.
  const auto image = [&] {
    Floats rows(2 * 64);
    EXPECT_TRUE(encoder->stream(0).Wait(*encoder->stream(0).Submit(pictures.slots(), rows)).ok());
    return rows;
  };
  const Floats pictured = image();
  EXPECT_EQ(Encode(*encoder, 0, texts.all()), expected);
  EXPECT_EQ(image(), pictured);
  EXPECT_EQ((*CreateCpuEncoder(towers.images.get(), nullptr, options))->text_stream_count(), 0);
}

TEST(CpuText, StreamsWorkAtTheSameTime) {
  const Towers towers(ClipText());
  const Texts texts({5, 9, 77, 1, 30}, 500);
  EncoderOptions options = Options(Precision::kF32, 2);
  options.text_streams = 1;
  auto encoder = towers.Make(options);
  const Floats expected = Encode(*encoder, 0, texts.all());
  std::vector<int> right(2);
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) {
        right[static_cast<size_t>(i)] += Encode(*encoder, i, texts.all()) == expected ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, std::vector<int>(2, 20));
}

TEST(CpuText, TokenRowsStayInTheCheckpoint) {
  Towers towers(ClipText());
  auto plain = towers.Make(Options(Precision::kF32));
  const Texts texts({5, 9}, 500);
  const Floats expected = Encode(*plain, 0, texts.all());
  const uint64_t packed = plain->info().packed_bytes;
  // Halves, read as they are.
  TensorView& rows = towers.text.weights.token_embedding;
  auto halves = std::make_shared<std::vector<uint16_t>>();
  for (const float value : rows.ToFloats()) halves->push_back(FloatToBFloat16(value));
  rows.dtype = DType::kBF16;
  rows.data = halves->data();
  towers.text.token_storage = halves;
  auto encoder = towers.Make(Options(Precision::kF32));
  EXPECT_EQ(encoder->info().packed_bytes, packed);
  towers.text = {};
  halves.reset();  // the encoder keeps them
  EXPECT_GT(Compare(Encode(*encoder, 0, texts.all()), expected, 64).min_cosine, 0.999);
}

TEST(CpuText, SaysWhatItTakesAndRefusesTheRest) {
  const Towers towers(ClipText());
  auto encoder = towers.Make(Options(Precision::kF32, 2));
  ASSERT_TRUE(encoder->info().text);
  const TextInfo& info = *encoder->info().text;
  EXPECT_EQ(info.max_tokens, 77);
  EXPECT_TRUE(info.causal);
  EXPECT_EQ(info.max_batch, 64);
  EXPECT_EQ(info.max_batch_tokens, 2 * 400);
  EXPECT_GT(info.flops_per_token, 0);
  EncoderStream& stream = encoder->stream(0);
  Floats out(64 * 65);
  const auto refused = [&](const Texts& texts, size_t floats) {
    return stream.SubmitTexts(texts.all(), std::span(out).first(floats)).status().code();
  };
  EXPECT_EQ(refused(Texts({78}, 500), 64), Code::kInternal);
  EXPECT_EQ(refused(Texts({0}, 500), 64), Code::kInternal);
  EXPECT_EQ(refused(Texts({3}, 500), 65), Code::kInternal);
  EXPECT_EQ(refused(Texts(std::vector<int>(65, 1), 500), 65 * 64), Code::kInternal);
  EXPECT_EQ(refused(Texts(std::vector<int>(11, 77), 500), 11 * 64), Code::kInternal);
  const std::vector<int32_t> unknown = {500};
  const TokenIds text = unknown;
  EXPECT_EQ(stream.SubmitTexts({&text, 1}, std::span(out).first(64)).status().code(), Code::kInternal);
  const Texts fits(std::vector<int>(10, 77), 500);
  const auto ticket = stream.SubmitTexts(fits.all(), std::span(out).first(640));
  ASSERT_TRUE(ticket.ok()) << ticket.status().ToString();
  EXPECT_EQ(refused(Texts({3}, 500), 64), Code::kInternal) << "one batch in flight";
  EXPECT_TRUE(stream.Wait(*ticket).ok());

  Config other = ClipText();
  other.projection_dim = 32;
  const model::TextModel mismatched = test::RandomText(other);
  EXPECT_EQ(CreateCpuEncoder(towers.images.get(), &mismatched, Options(Precision::kF32)).status().code(),
            Code::kInvalidRequest);
}

}  // namespace
}  // namespace photovec::encode::cpu_text
