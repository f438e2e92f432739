// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "unit/pipeline/fakes.h"

namespace photovec::testing {

/// A pipeline on fakes. Encoders are given to Make(); the test keeps pointers to them.
class PipelineFixture : public ::testing::Test {
 protected:
  PipelineFixture() {
    options.decoders = 2;
    options.memory_budget_bytes = 1ULL << 30;
  }
  void TearDown() override {
    decoders.gate.Open();
    decoders.big_gate.Open();
    tokenizers.Open();
    for (FakeEncoder* encoder : encoders) encoder->gate.Open();
    Destroy();
    EXPECT_EQ(registry.samplers(), 0U) << "a sampler outlived its pipeline";
  }

  /// The encoders go with the pipeline.
  void Destroy() {
    pipe.reset();
    encoders.clear();
  }

  static preprocess::Spec Spec() {
    preprocess::Spec spec;
    spec.crop = spec.resize_short = FakeEncoder::kImageSize;
    return spec;
  }
  static pipeline::ModelSetup Setup(std::string name, std::unique_ptr<encode::Encoder> encoder) {
    pipeline::ModelSetup setup;
    setup.name = std::move(name);
    setup.encoder = std::move(encoder);
    setup.spec = Spec();
    setup.fingerprint = "f-" + setup.name;
    return setup;
  }

  /// Models "clip", "clip2", ... one per encoder.
  void Make(std::vector<std::unique_ptr<FakeEncoder>> made) {
    std::vector<pipeline::ModelSetup> setups;
    for (size_t i = 0; i < made.size(); ++i) {
      encoders.push_back(made[i].get());
      setups.push_back(Setup(i == 0 ? "clip" : "clip" + std::to_string(i + 1), std::move(made[i])));
    }
    auto created = pipeline::Pipeline::Create(std::move(setups), fetcher, Factory(), registry, options);
    ASSERT_TRUE(created.ok()) << created.status().ToString();
    pipe = std::move(created).value();
  }
  void Make(int max_batch, int streams = 1, int depth = 1) {
    std::vector<std::unique_ptr<FakeEncoder>> made;
    made.push_back(std::make_unique<FakeEncoder>(max_batch, streams, depth));
    Make(std::move(made));
  }
  static constexpr encode::TextInfo kTexts{.max_tokens = FakeTokenizer::kMaxLength,
                                           .max_batch = 4,
                                           .max_batch_tokens = 4 * FakeTokenizer::kMaxLength};
  /// One model, "clip", that takes texts, too; the tokenizer passes `tokenizers`.
  void MakeWithTexts(int max_batch, int text_streams = 0) {
    auto made = std::make_unique<FakeEncoder>(max_batch, 1, 1, kTexts, text_streams);
    encoders.push_back(made.get());
    std::vector<pipeline::ModelSetup> setups;
    setups.push_back(Setup("clip", std::move(made)));
    setups.back().tokenizer = std::make_unique<FakeTokenizer>(&tokenizers);
    auto created = pipeline::Pipeline::Create(std::move(setups), fetcher, Factory(), registry, options);
    ASSERT_TRUE(created.ok()) << created.status().ToString();
    pipe = std::move(created).value();
  }
  pipeline::Pipeline::DecoderFactory Factory() {
    return [this] { return std::make_unique<FakeDecoder>(decoders); };
  }
  FakeEncoder& encoder() { return *encoders.front(); }

  std::unique_ptr<pipeline::Request> Open(Answer& answer, pipeline::RequestOptions request = {}) {
    auto opened = pipe->Open(std::move(request), answer.Done());
    EXPECT_TRUE(opened.ok()) << opened.status().ToString();
    return std::move(opened).value();
  }
  /// One request with these photos, finished and answered.
  pipeline::RequestResult Embed(const std::vector<std::string>& photos,
                                pipeline::RequestOptions options = {}) {
    Answer answer;
    auto request = Open(answer, std::move(options));
    for (const std::string& photo : photos) request->Add(Photo(photo));
    request->Finish();
    return answer.Get();
  }
  pipeline::RequestResult EmbedTexts(const std::vector<std::string>& texts,
                                     pipeline::RequestOptions options = {}) {
    Answer answer;
    auto request = Open(answer, std::move(options));
    for (const std::string& text : texts) request->Add(pipeline::Text{text});
    request->Finish();
    return answer.Get();
  }
  static std::vector<Code> Codes(const pipeline::RequestResult& result) {
    std::vector<Code> codes;
    for (const auto& item : result.items) codes.push_back(item.status.code());
    return codes;
  }

  /// Blocks until a sampled gauge has this value: the way to see that the pipeline has come to rest.
  void AwaitGauge(const std::string& key, double value) {
    for (registry.Sample(); registry.Value(key) != value; registry.Sample()) std::this_thread::yield();
  }
  static std::string Queue(const std::string& queue, const std::string& model = "clip") {
    return "photovec_queue_depth,model=" + model + ",queue=" + queue;
  }

  pipeline::PipelineOptions options;
  FakeRegistry registry;
  DecoderControl decoders;
  Gate tokenizers;
  FakeFetcher fetcher;
  std::vector<FakeEncoder*> encoders;  // owned by the pipeline
  std::unique_ptr<pipeline::Pipeline> pipe;
};

}  // namespace photovec::testing
