// SPDX-License-Identifier: MIT
#include "bench/encode.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "bench/encode_model.h"
#include "bench/images.h"
#include "bench/runner.h"
#include "bench/stream_worker.h"
#include "encode/cpu/ceiling.h"
#include "encode/factory.h"
#include "model/fold/fold.h"

namespace photovec::bench {
namespace {

using encode::CeilingProbe;
using encode::Encoder;
using encode::Precision;

constexpr int kMostBatch = 64;

/// What is encoded: images, or texts.
class Inputs {
 public:
  Inputs(const BenchModel& bench, int tokens, int count)
      : tokens_(tokens),
        images_(tokens > 0 ? 0 : count, bench.model.config.image_size),
        texts_(tokens > 0 ? count : 0, tokens, tokens > 0 ? bench.text->config.vocabulary_size : 1) {}

  Result<std::vector<float>> Encode(Encoder& encoder, int stream, int first, int count) const {
    const auto skipped = static_cast<size_t>(first);
    if (tokens_ > 0) return EncodeAll(encoder, stream, texts_.first(first + count).subspan(skipped));
    return EncodeAll(encoder, stream, images_.first(first + count).subspan(skipped));
  }
  std::unique_ptr<Worker> KeepBusy(Encoder& encoder, int stream, int batch) const {
    const int dim = encoder.info().embedding_dim;
    const auto start = [&](auto items) {
      return std::make_unique<StreamWorker>(encoder.stream(stream), std::vector(items.begin(), items.end()),
                                            dim);
    };
    return tokens_ > 0 ? start(texts_.first(batch)) : start(images_.first(batch));
  }
  encode::CeilingBatch Ceiling(int batch) const {
    return tokens_ > 0 ? encode::CeilingBatch{.images = 0, .texts = batch, .tokens = tokens_}
                       : encode::CeilingBatch{.images = batch, .texts = 0, .tokens = 0};
  }

 private:
  const int tokens_;
  const BenchImages images_;
  const BenchTexts texts_;
};

Status VerifyNeighbours(Encoder& encoder, const Inputs& inputs, const std::vector<int>& batches) {
  const auto dim = static_cast<std::ptrdiff_t>(encoder.info().embedding_dim);
  const int most = *std::max_element(batches.begin(), batches.end());
  std::vector<float> alone;
  for (int i = 0; i < most; ++i) {
    ASSIGN_OR_RETURN(const std::vector<float> one, inputs.Encode(encoder, 0, i, 1));
    alone.insert(alone.end(), one.begin(), one.end());
  }
  for (int stream = 0; stream < encoder.stream_count(); ++stream) {
    for (const int batch : batches) {
      ASSIGN_OR_RETURN(const std::vector<float> together, inputs.Encode(encoder, stream, 0, batch));
      if (!std::equal(together.begin(), together.end(), alone.begin(), alone.begin() + batch * dim)) {
        return {Code::kInternal, "stream " + std::to_string(stream) + " gives other bits for a batch of " +
                                     std::to_string(batch) + " than for each alone"};
      }
    }
  }
  return Status::Ok();
}

// The encoder, its two ceilings and the peak, on all streams, in turns.
struct Contestants {
  Contestants(Encoder& encoder, CeilingProbe& probe, const Inputs& inputs, int batch, double slice_seconds) {
    Add(encoder, "encode", slice_seconds, [&encoder, &inputs, batch](int stream) -> std::unique_ptr<Worker> {
      return inputs.KeepBusy(encoder, stream, batch);
    });
    for (const auto& [name, kind] :
         {std::pair{"whole", CeilingProbe::Kind::kWhole}, {"dealt", CeilingProbe::Kind::kDealt}}) {
      Add(encoder, name, slice_seconds, [&probe, kind = kind](int stream) {
        return MakeWorker([&probe, kind, stream]() -> Result<double> {
          RETURN_IF_ERROR(probe.RunBatch(stream, kind));
          return probe.flops_per_batch();
        });
      });
    }
    Add(encoder, "peak", slice_seconds / 5, [&probe](int stream) {
      return MakeWorker([&probe, stream]() -> Result<double> { return probe.RunPeak(stream, 1000); });
    });
  }

  void Add(const Encoder& encoder, const char* name, double seconds,
           std::function<std::unique_ptr<Worker>(int stream)> make) {
    Contestant& one = all.emplace_back();
    one.name = name;
    one.threads = encoder.stream_count();
    one.seconds = seconds;
    one.start = [make = std::move(make)](int stream) { return Result(make(stream)); };
  }

  std::vector<Contestant> all;
};

/// \param flops really executed for one image or text.
Result<BenchEncodeRow> MeasureRow(Encoder& encoder, const Inputs& inputs, int batch, double flops,
                                  const BenchEncodeOptions& options) {
  ASSIGN_OR_RETURN(const auto probe, CeilingProbe::Create(encoder, inputs.Ceiling(batch)));
  Contestants contestants(encoder, *probe, inputs, batch, options.slice_seconds);
  RoundOptions rounds;
  rounds.rounds = options.rounds;
  rounds.keep_threads = true;
  ASSIGN_OR_RETURN(const std::vector<Series> series, TakeTurns(contestants.all, rounds));
  const Series& encode = series[0];
  const Series& whole = series[1];
  const Series& dealt = series[2];
  BenchEncodeRow row;
  row.precision = encoder.info().precision;
  row.detail = encoder.info().detail;
  row.streams = encoder.stream_count();
  row.threads = probe->threads_per_stream();
  row.batch = batch;
  row.items_per_s = encode.rate();
  row.gflops = row.items_per_s * flops * 1e-9;
  row.ceiling_whole_gflops = whole.rate() * 1e-9;
  row.ceiling_dealt_gflops = dealt.rate() * 1e-9;
  row.ceiling_gflops = std::max(row.ceiling_whole_gflops, row.ceiling_dealt_gflops);
  const Series& ceiling = row.ceiling_dealt_gflops > row.ceiling_whole_gflops ? dealt : whole;
  row.share_of_ceiling = MedianOfRounds(encode.slices.size(), [&](size_t round) {
    return encode.slices[round].rate * flops / ceiling.slices[round].rate;
  });
  row.share_by_cpu_time = MedianOfRounds(encode.slices.size(), [&](size_t round) {
    const Slice& of_encode = encode.slices[round];
    const Slice& of_ceiling = ceiling.slices[round];
    return of_encode.rate * flops / of_encode.cpus * of_ceiling.cpus / of_ceiling.rate;
  });
  row.batch_ms = 1e3 * row.streams * batch / row.items_per_s;
  row.floor_ms = 1e3 * row.streams * probe->flops_per_batch() / ceiling.rate();
  row.peak_gflops = series[3].rate() * 1e-9;
  row.cpu_share = encode.Median([](const Slice& slice) { return slice.cpus; }) / (row.streams * row.threads);
  return row;
}

Status CheckOptions(const BenchEncodeOptions& options) {
  const bool batches_fit = std::all_of(options.batches.begin(), options.batches.end(),
                                       [](int batch) { return batch >= 1 && batch <= kMostBatch; });
  if (options.batches.empty() || !batches_fit) {
    return {Code::kInvalidRequest, "batches must be numbers from 1 to " + std::to_string(kMostBatch)};
  }
  if (options.precisions.empty() || options.layouts.empty() || options.rounds < 1 ||
      !(options.slice_seconds > 0)) {
    return {Code::kInvalidRequest, "the benchmark needs a precision, a layout, a round and some time"};
  }
  return Status::Ok();
}

std::string Described(const BenchEncodeRow& row) {
  return row.precision + ", " + std::to_string(row.streams) + " x " + std::to_string(row.threads) +
         ", batch " + std::to_string(row.batch);
}

Result<std::string> Verify(const BenchModel& bench, encode::EncoderOptions options, int tokens) {
  options.streams = options.threads_per_stream = options.max_batch = 1;
  if (tokens > 0) {
    return VerifyTextReference(bench, tokens, [&](const auto& images, const auto& texts) {
      return encode::CreateEncoder(encode::Backend::kCpu, images, &texts, options);
    });
  }
  return VerifyReference(bench, [&](const auto& shorter) {
    return encode::CreateEncoder(encode::Backend::kCpu, shorter, nullptr, options);
  });
}

Status MeasureLayout(const BenchModel& bench, Precision precision, const BenchLayout& layout,
                     const BenchEncodeOptions& options, const Inputs& inputs, BenchEncodeReport& report) {
  encode::EncoderOptions encoder_options;
  encoder_options.precision = precision;
  encoder_options.streams = layout.streams;
  encoder_options.threads_per_stream = layout.threads;
  encoder_options.max_batch = *std::max_element(options.batches.begin(), options.batches.end());
  encoder_options.pin_threads = options.pin_threads;
  encoder_options.normalization = bench.normalization;
  ASSIGN_OR_RETURN(const std::string against_reference, Verify(bench, encoder_options, options.tokens));
  ASSIGN_OR_RETURN(const auto encoder,
                   encode::CreateEncoder(encode::Backend::kCpu, bench.model,
                                         options.tokens > 0 ? &*bench.text : nullptr, encoder_options));
  RETURN_IF_ERROR(encoder->Warmup());
  RETURN_IF_ERROR(VerifyNeighbours(*encoder, inputs, options.batches));
  if (report.verified.find(encoder->info().precision) == std::string::npos) {
    report.verified +=
        (report.verified.empty() ? "" : "; ") + encoder->info().precision + ": " + against_reference;
  }
  for (const int batch : options.batches) {
    ASSIGN_OR_RETURN(BenchEncodeRow row,
                     MeasureRow(*encoder, inputs, batch, report.executed_flops_per_item, options));
    if (options.progress) options.progress(Described(row));
    report.rows.push_back(std::move(row));
  }
  return Status::Ok();
}

Status CheckTokens(const BenchModel& bench, int tokens) {
  if (tokens == 0) return Status::Ok();
  if (!bench.text) return {Code::kInvalidRequest, bench.name + " has no text tower"};
  const model::TextConfig& config = bench.text->config;
  if (tokens >= (config.causal ? 1 : config.max_tokens) && tokens <= config.max_tokens) return Status::Ok();
  return {Code::kInvalidRequest,
          "the text tower of " + bench.name + " takes " + (config.causal ? "1 to " : "exactly ") +
              std::to_string(config.max_tokens) + " tokens, not " + std::to_string(tokens)};
}

}  // namespace

Result<BenchEncodeReport> RunBenchEncode(const BenchEncodeOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  ASSIGN_OR_RETURN(const BenchModel bench, LoadBenchModel(options.model));
  RETURN_IF_ERROR(CheckTokens(bench, options.tokens));
  BenchEncodeReport report;
  report.model = bench.name;
  report.tokens = options.tokens;
  if (options.tokens > 0) {
    report.flops_per_item = bench.text->config.FlopsPerText(options.tokens);
    report.executed_flops_per_item = model::ExecutedFlops(bench.text->config, options.tokens);
  } else {
    report.flops_per_item = bench.model.config.FlopsPerImage();
    report.executed_flops_per_item = model::ExecutedFlops(bench.model.config);
  }
  report.machine = ProbeMachine();
  const Inputs inputs(bench, options.tokens,
                      *std::max_element(options.batches.begin(), options.batches.end()));
  for (const Precision precision : options.precisions) {
    for (const BenchLayout& layout : options.layouts) {
      RETURN_IF_ERROR(MeasureLayout(bench, precision, layout, options, inputs, report));
    }
  }
  report.verified += "; every batch and stream gives the bits of each alone";
  return report;
}

}  // namespace photovec::bench
