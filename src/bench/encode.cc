// SPDX-License-Identifier: MIT
#include "bench/encode.h"

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <cmath>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "base/deadline.h"
#include "base/json_text.h"
#include "base/quantile.h"
#include "bench/encode_model.h"
#include "bench/images.h"
#include "encode/cpu/ceiling.h"
#include "encode/factory.h"
#include "engine/machine_report.h"

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

enum Mode { kEncode, kWhole, kDealt, kPeak, kModes };

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// One batch size on all streams of an encoder.
class Measurement {
 public:
  Measurement(Encoder& encoder, CeilingProbe& probe, const BenchImages& images, int batch,
              const BenchEncodeOptions& options)
      : encoder_(encoder),
        probe_(probe),
        slots_(images.first(batch)),
        rounds_(static_cast<size_t>(options.rounds)),
        slice_seconds_(options.slice_seconds),
        start_(encoder.stream_count()),
        flops_(rounds_),
        statuses_(static_cast<size_t>(encoder.stream_count())) {
    for (auto& round : flops_) {
      for (auto& mode : round) mode.resize(statuses_.size());
    }
    cpu_shares_.resize(rounds_);
  }

  Status Run() {
    std::vector<std::thread> threads;
    for (int stream = 0; stream < encoder_.stream_count(); ++stream) {
      threads.emplace_back([this, stream] { RunStream(stream); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Status& status : statuses_) RETURN_IF_ERROR(status);
    return Status::Ok();
  }

  // FLOP/s of all streams in each round.
  std::vector<double> Rates(Mode mode) const {
    std::vector<double> rates;
    for (const auto& round : flops_) {
      double sum = 0;
      for (const double rate : round[mode]) sum += rate;
      rates.push_back(sum);
    }
    return rates;
  }
  double cpu_share() const { return Median(cpu_shares_); }

 private:
  void RunStream(int stream) {
    Status& status = statuses_[static_cast<size_t>(stream)];
    std::vector<float> out(slots_.size() * static_cast<size_t>(encoder_.info().embedding_dim));
    for (const Mode mode : {kEncode, kWhole, kDealt, kPeak}) (void)Once(stream, mode, out, status);
    for (size_t round = 0; round < rounds_; ++round) {
      for (int i = 0; i < kModes; ++i) {
        // Another order each round, so that no mode always follows the same one.
        const auto mode = static_cast<Mode>((static_cast<size_t>(i) + round) % kModes);
        start_.arrive_and_wait();
        const double cpu = CpuSeconds();
        const TimePoint begin = Clock::now();
        const double least = mode == kPeak ? slice_seconds_ / 5 : slice_seconds_;
        double flops = 0;
        double seconds = 0;
        do {
          flops += Once(stream, mode, out, status);
          seconds = static_cast<double>(MicrosBetween(begin, Clock::now())) * 1e-6;
        } while (seconds < least && status.ok());
        flops_[round][static_cast<size_t>(mode)][static_cast<size_t>(stream)] = flops / seconds;
        if (mode == kEncode && stream == 0) cpu_shares_[round] = (CpuSeconds() - cpu) / seconds;
      }
    }
  }

  // One batch; the FLOPs that it took.
  double Once(int stream, Mode mode, std::span<float> out, Status& status) {
    if (!status.ok()) return 0;
    switch (mode) {
      case kEncode:
        status = EncodeInto(encoder_, stream, slots_, out);
        return encoder_.info().executed_flops_per_image * static_cast<double>(slots_.size());
      case kWhole:
        status = probe_.RunBatch(stream, CeilingProbe::Kind::kWhole);
        return probe_.flops_per_batch();
      case kDealt:
        status = probe_.RunBatch(stream, CeilingProbe::Kind::kDealt);
        return probe_.flops_per_batch();
      default:
        return probe_.RunPeak(stream, 1000);
    }
  }

  Encoder& encoder_;
  CeilingProbe& probe_;
  const std::span<const PixelSlot> slots_;
  const size_t rounds_;
  const double slice_seconds_;
  std::barrier<> start_;
  std::vector<std::array<std::vector<double>, kModes>> flops_;  // [round][mode][stream] FLOP/s
  std::vector<double> cpu_shares_;
  std::vector<Status> statuses_;
};

Result<BenchEncodeRow> MeasureRow(Encoder& encoder, const BenchImages& images, int batch,
                                  const BenchEncodeOptions& options) {
  ASSIGN_OR_RETURN(const auto probe, CeilingProbe::Create(encoder, batch));
  Measurement measurement(encoder, *probe, images, batch, options);
  RETURN_IF_ERROR(measurement.Run());
  BenchEncodeRow row;
  row.precision = encoder.info().precision;
  row.detail = encoder.info().detail;
  row.streams = encoder.stream_count();
  row.threads = probe->threads_per_stream();
  row.batch = batch;
  const std::vector<double> encode = measurement.Rates(kEncode);
  const std::vector<double> whole = measurement.Rates(kWhole);
  const std::vector<double> dealt = measurement.Rates(kDealt);
  row.gflops = Median(encode) * 1e-9;
  row.images_per_s = Median(encode) / encoder.info().executed_flops_per_image;
  row.ceiling_whole_gflops = Median(whole) * 1e-9;
  row.ceiling_dealt_gflops = Median(dealt) * 1e-9;
  const bool dealt_is_better = row.ceiling_dealt_gflops > row.ceiling_whole_gflops;
  row.ceiling_gflops = std::max(row.ceiling_whole_gflops, row.ceiling_dealt_gflops);
  std::vector<double> shares;
  for (size_t i = 0; i < encode.size(); ++i)
    shares.push_back(encode[i] / (dealt_is_better ? dealt : whole)[i]);
  row.share_of_ceiling = Median(shares);
  row.peak_gflops = Median(measurement.Rates(kPeak)) * 1e-9;
  row.cpu_share = measurement.cpu_share() / (row.streams * row.threads);
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
                     return encode::CreateEncoder(encode::Backend::kCpu, shorter, one);
                   }));
  ASSIGN_OR_RETURN(const auto encoder,
                   encode::CreateEncoder(encode::Backend::kCpu, bench.model, encoder_options));
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

std::string ToText(const BenchEncodeReport& report) {
  char line[256];
  std::string text = report.model + " on " + report.machine.cpu_model + " (" + report.machine.isa + ")\n";
  std::snprintf(line, sizeof(line),
                "%.2f GFLOP an image, %.2f executed\nverified: ", report.flops_per_image * 1e-9,
                report.executed_flops_per_image * 1e-9);
  text += line + report.verified + "\n\n";
  text +=
      "precision  streams x threads  batch     img/s   GFLOP/s   ceiling  (whole / dealt)     peak   share   "
      "CPU\n";
  for (const BenchEncodeRow& row : report.rows) {
    std::snprintf(line, sizeof(line),
                  "%-9s  %7d x %-7d  %5d  %8.2f  %8.1f  %8.1f  (%6.1f /%6.1f)  %7.1f  %6.3f  %3.0f%%\n",
                  row.precision.c_str(), row.streams, row.threads, row.batch, row.images_per_s, row.gflops,
                  row.ceiling_gflops, row.ceiling_whole_gflops, row.ceiling_dealt_gflops, row.peak_gflops,
                  row.share_of_ceiling, 100 * row.cpu_share);
    text += line;
  }
  text +=
      "\nceiling: oneDNN's bare products of the model (no bias, no post-ops, the encoder's own prepacked "
      "weights) in the "
      "same\nprocess, precision and threads, in turns with the encoder; whole: the batch at once on oneDNN's "
      "threads; "
      "dealt: cut as\nin the encoder; the better one counts. share: median over rounds of encoder / ceiling, "
      "executed "
      "FLOPs on both sides.\npeak: fused multiply-adds in registers. CPU: time that the encoder's threads "
      "got; below "
      "100% others used the machine.\n";
  return text;
}

namespace {

std::string RowFields(const BenchEncodeRow& row) {
  char text[768];
  std::snprintf(
      text, sizeof(text),
      "\"precision\":%s,\"streams\":%d,\"threads_per_stream\":%d,\"batch\":%d,\"images_per_s\":%.4g,"
      "\"gflops\":%.5g,\"ceiling_gflops\":%.5g,\"ceiling_whole_gflops\":%.5g,\"ceiling_dealt_gflops\":%.5g,"
      "\"share_of_ceiling\":%.4f,\"peak_gflops\":%.5g,\"cpu_share\":%.3f,\"encoder\":%s",
      JsonString(row.precision).c_str(), row.streams, row.threads, row.batch, row.images_per_s, row.gflops,
      row.ceiling_gflops, row.ceiling_whole_gflops, row.ceiling_dealt_gflops, row.share_of_ceiling,
      row.peak_gflops, row.cpu_share, JsonString(row.detail).c_str());
  return text;
}

}  // namespace

std::string ToJson(const BenchEncodeReport& report) {
  char flops[96];
  std::snprintf(flops, sizeof(flops), "\"flops_per_image\":%.0f,\"executed_flops_per_image\":%.0f",
                report.flops_per_image, report.executed_flops_per_image);
  std::string json = "{\"model\":" + JsonString(report.model);
  if (!report.rows.empty()) json += "," + RowFields(report.rows.front());
  json += "," + std::string(flops) + ",\"verified\":" + JsonString(report.verified) +
          ",\"machine\":" + engine::MachineJson(report.machine) + ",\"measurements\":[";
  for (size_t i = 0; i < report.rows.size(); ++i) {
    json += (i == 0 ? "{" : ",{") + RowFields(report.rows[i]) + "}";
  }
  return json + "]}";
}

}  // namespace photovec::bench
