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

namespace photovec::bench {
namespace {

using encode::CeilingProbe;
using encode::Encoder;
using encode::Precision;

constexpr int kMostBatch = 64;

Status VerifyNeighbours(Encoder& encoder, const BenchImages& images, const std::vector<int>& batches) {
  const auto dim = static_cast<std::ptrdiff_t>(encoder.info().embedding_dim);
  const int most = *std::max_element(batches.begin(), batches.end());
  std::vector<float> alone;
  for (const PixelSlot& slot : images.first(most)) {
    ASSIGN_OR_RETURN(const std::vector<float> one, EncodeAll(encoder, 0, {&slot, 1}));
    alone.insert(alone.end(), one.begin(), one.end());
  }
  for (int stream = 0; stream < encoder.stream_count(); ++stream) {
    for (const int batch : batches) {
      ASSIGN_OR_RETURN(const std::vector<float> together, EncodeAll(encoder, stream, images.first(batch)));
      if (!std::equal(together.begin(), together.end(), alone.begin(), alone.begin() + batch * dim)) {
        return {Code::kInternal, "stream " + std::to_string(stream) + " gives other bits for a batch of " +
                                     std::to_string(batch) + " than for single images"};
      }
    }
  }
  return Status::Ok();
}

// The encoder, its two ceilings and the peak, on all streams, in turns.
struct Contestants {
  Contestants(Encoder& encoder, CeilingProbe& probe, const BenchImages& images, int batch,
              double slice_seconds) {
    const std::span<const PixelSlot> slots = images.first(batch);
    Add(encoder, "encode", slice_seconds, [&encoder, slots](int stream) -> std::unique_ptr<Worker> {
      return std::make_unique<StreamWorker>(encoder.stream(stream), std::vector(slots.begin(), slots.end()),
                                            encoder.info().embedding_dim);
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

Result<BenchEncodeRow> MeasureRow(Encoder& encoder, const BenchImages& images, int batch,
                                  const BenchEncodeOptions& options) {
  ASSIGN_OR_RETURN(const auto probe, CeilingProbe::Create(encoder, {.images = batch, .texts = 0, .tokens = 0}));
  Contestants contestants(encoder, *probe, images, batch, options.slice_seconds);
  RoundOptions rounds;
  rounds.rounds = options.rounds;
  rounds.keep_threads = true;
  ASSIGN_OR_RETURN(const std::vector<Series> series, TakeTurns(contestants.all, rounds));
  const Series& encode = series[0];
  const Series& whole = series[1];
  const Series& dealt = series[2];
  const double flops = encoder.info().executed_flops_per_image;
  BenchEncodeRow row;
  row.precision = encoder.info().precision;
  row.detail = encoder.info().detail;
  row.streams = encoder.stream_count();
  row.threads = probe->threads_per_stream();
  row.batch = batch;
  row.images_per_s = encode.rate();
  row.gflops = row.images_per_s * flops * 1e-9;
  row.ceiling_whole_gflops = whole.rate() * 1e-9;
  row.ceiling_dealt_gflops = dealt.rate() * 1e-9;
  row.ceiling_gflops = std::max(row.ceiling_whole_gflops, row.ceiling_dealt_gflops);
  const Series& ceiling = row.ceiling_dealt_gflops > row.ceiling_whole_gflops ? dealt : whole;
  row.share_of_ceiling = MedianOfRounds(encode.slices.size(), [&](size_t round) {
    return encode.slices[round].rate * flops / ceiling.slices[round].rate;
  });
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

Status MeasureLayout(const BenchModel& bench, Precision precision, const BenchLayout& layout,
                     const BenchEncodeOptions& options, const BenchImages& images,
                     BenchEncodeReport& report) {
  encode::EncoderOptions encoder_options;
  encoder_options.precision = precision;
  encoder_options.streams = layout.streams;
  encoder_options.threads_per_stream = layout.threads;
  encoder_options.max_batch = *std::max_element(options.batches.begin(), options.batches.end());
  encoder_options.pin_threads = options.pin_threads;
  encoder_options.normalization = bench.normalization;
  ASSIGN_OR_RETURN(const std::string against_reference, VerifyReference(bench, [&](const auto& shorter) {
                     encode::EncoderOptions one = encoder_options;
                     one.streams = one.threads_per_stream = one.max_batch = 1;
                     return encode::CreateEncoder(encode::Backend::kCpu, shorter, nullptr, one);
                   }));
  ASSIGN_OR_RETURN(const auto encoder,
                   encode::CreateEncoder(encode::Backend::kCpu, bench.model, nullptr, encoder_options));
  RETURN_IF_ERROR(encoder->Warmup());
  RETURN_IF_ERROR(VerifyNeighbours(*encoder, images, options.batches));
  report.executed_flops_per_image = encoder->info().executed_flops_per_image;
  if (report.verified.find(encoder->info().precision) == std::string::npos) {
    report.verified +=
        (report.verified.empty() ? "" : "; ") + encoder->info().precision + ": " + against_reference;
  }
  for (const int batch : options.batches) {
    ASSIGN_OR_RETURN(BenchEncodeRow row, MeasureRow(*encoder, images, batch, options));
    if (options.progress) options.progress(Described(row));
    report.rows.push_back(std::move(row));
  }
  return Status::Ok();
}

}  // namespace

Result<BenchEncodeReport> RunBenchEncode(const BenchEncodeOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  ASSIGN_OR_RETURN(const BenchModel bench, LoadBenchModel(options.model));
  BenchEncodeReport report;
  report.model = bench.name;
  report.flops_per_image = bench.model.config.FlopsPerImage();
  report.machine = ProbeMachine();
  const BenchImages images(*std::max_element(options.batches.begin(), options.batches.end()),
                           bench.model.config.image_size);
  for (const Precision precision : options.precisions) {
    for (const BenchLayout& layout : options.layouts) {
      RETURN_IF_ERROR(MeasureLayout(bench, precision, layout, options, images, report));
    }
  }
  report.verified += "; every batch and stream gives the bits of single images";
  return report;
}

}  // namespace photovec::bench
