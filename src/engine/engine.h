// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/decoding.h"
#include "engine/machine_plan.h"
#include "engine/model_setup.h"
#include "engine/options.h"
#include "engine/slow_stages.h"
#include "fetch/fetcher.h"
#include "metrics/registry.h"
#include "pipeline/pipeline.h"

/// photovec inside a program: options in, running pipeline out. Link photovec_engine; with the default
/// DecodeMode::kProcess the program photovec-decoder lies beside yours, or where decoder_program says.
///
///     engine::EngineOptions options;
///     options.models = {"clip=/models/clip-vit-b-32"};
///     ASSIGN_OR_RETURN(auto fetcher, fetch::CreateRouter({}));  // data URLs alone: FetchOptions allows more
///     ASSIGN_OR_RETURN(const auto engine, engine::StartEngine(options, std::move(fetcher), 100));
///     std::promise<pipeline::RequestResult> result;
///     const auto done = [&](pipeline::RequestResult all) { result.set_value(std::move(all)); };
///     ASSIGN_OR_RETURN(auto request, engine->pipeline->Open({}, done));
///     request->Add(Bytes::Own(std::move(jpeg)));  // as many as you like, one after the other
///     request->Finish();
///     const std::vector<float> vector = result.get_future().get().items[0].embedding;
///
/// tests/unit/engine/engine_test.cc does just this.
namespace photovec::engine {

/// What is worth knowing of a running model once its encoder belongs to the pipeline.
struct ModelSummary {
  std::string name;
  std::string dir;
  std::string fingerprint;
  std::string weights_sha256;
  encode::EncoderInfo encoder;
  preprocess::Spec spec;
  std::string text_rule;         ///< of the tokenizer; empty: images alone
  std::string text_fingerprint;  ///< with a rule
  int streams = 0;
  /// Owned by the pipeline; only for benchmarks while that is idle, and usable().
  encode::Encoder* handle = nullptr;
  double load_seconds = 0;
};

/// A pipeline with its models and everything that it borrows. Destroyed in the right order.
struct Engine {
  MachinePlan plan;
  std::vector<ModelSummary> models;
  std::unique_ptr<metrics::Registry> registry;
  std::unique_ptr<fetch::Fetcher> fetcher;
  std::unique_ptr<decode::DecoderPool> decoders;  ///< null with --decode=thread
  std::unique_ptr<DecoderMetrics> decoder_metrics;
  std::unique_ptr<decode::GpuJpegScheduler> gpu_jpeg;  ///< null with --decode-device=cpu
  std::unique_ptr<GpuJpegMetrics> gpu_jpeg_metrics;
  std::unique_ptr<pipeline::Pipeline> pipeline;
};

/// Loads the models and starts decoders and streams; logs one block that says what runs and why.
/// \param fetcher where references are fetched from.
/// \param max_items_per_request as PipelineOptions.
/// \param slow stages that are slowed down, for tests.
/// \param registry where its metrics go; a new one when null.
/// Errors: as ParseModelChoices, SetUpModel and Pipeline::Create.
Result<std::unique_ptr<Engine>> StartEngine(const EngineOptions& options,
                                            std::unique_ptr<fetch::Fetcher> fetcher,
                                            int max_items_per_request, const SlowStages& slow = {},
                                            std::unique_ptr<metrics::Registry> registry = nullptr);

/// Whether a stream of some model, or a JPEG decoder of a GPU, hangs. Then its GPU is not to be waited for:
/// ExitAtOnce().
bool HasHangingStream(const Engine& engine);

}  // namespace photovec::engine
