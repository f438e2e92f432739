// SPDX-License-Identifier: MIT
#include "bench/encode_cuda.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <utility>

#include "base/quantile.h"
#include "base/slot_pool.h"
#include "bench/encode_model.h"
#include "bench/images.h"
#include "bench/runner.h"
#include "bench/stream_worker.h"
#include "encode/cuda/cuda_encoder.h"

namespace photovec::bench {
namespace {

using device::DeviceSpan;
using encode::cuda::CudaEncoder;

constexpr int kMostBatch = 1024;
constexpr int kMostStreams = 64;
constexpr int kAloneWarmup = 5;
constexpr int kVerifiedImages = 24;

double UnionMicros(std::vector<DeviceSpan> spans) {
  std::sort(spans.begin(), spans.end(), [](const auto& a, const auto& b) { return a.begin_us < b.begin_us; });
  double total = 0;
  double end = 0;
  for (const DeviceSpan& span : spans) {
    total += std::max(0.0, span.end_us - std::max(end, span.begin_us));
    end = std::max(end, span.end_us);
  }
  return total;
}

std::string InputName(PixelSource source) {
  return source == PixelSource::kPinned ? "pinned" : source == PixelSource::kPageable ? "pageable" : "device";
}

// The same images in one kind of memory.
class Pixels {
 public:
  static Result<std::unique_ptr<Pixels>> Create(CudaEncoder& encoder, PixelSource source, int count,
                                                int size) {
    auto pixels = std::make_unique<Pixels>();
    pixels->images_ = std::make_unique<BenchImages>(count, size);
    const std::span<const PixelSlot> pageable = pixels->images_->first(count);
    pixels->slots_.assign(pageable.begin(), pageable.end());
    const auto bytes = static_cast<size_t>(size) * static_cast<size_t>(size) * 3;
    if (source == PixelSource::kDevice) {
      for (PixelSlot& slot : pixels->slots_) {
        ASSIGN_OR_RETURN(slot.data, encoder.device_model(0).CopyToDevice({slot.data, bytes}));
        slot.device = encoder.device_model(0).device().index;
      }
    } else if (source == PixelSource::kPinned) {
      ASSIGN_OR_RETURN(pixels->pool_, SlotPool::Create(bytes, count));
      RETURN_IF_ERROR(encoder.RegisterSlots(pixels->pool_->arena()));
      pixels->encoder_ = &encoder;
      for (PixelSlot& slot : pixels->slots_) {
        pixels->held_.push_back(*pixels->pool_->TryAcquire());
        std::copy_n(slot.data, bytes, pixels->held_.back().pixels().data());
        slot = pixels->held_.back().view();
      }
    }
    return pixels;
  }
  Pixels() = default;
  ~Pixels() {
    if (encoder_ != nullptr) encoder_->UnregisterSlots(pool_->arena());
  }
  std::span<const PixelSlot> first(int count) const {
    return std::span(slots_).first(static_cast<size_t>(count));
  }

 private:
  std::unique_ptr<BenchImages> images_;
  std::unique_ptr<SlotPool> pool_;
  std::vector<SlotRef> held_;
  std::vector<PixelSlot> slots_;
  CudaEncoder* encoder_ = nullptr;
};

// What the streams of one slice saw.
struct BatchTimes {
  std::mutex mutex;
  std::vector<double> batch_us;
  std::vector<DeviceSpan> spans;
};

// Also notes how long each batch took, and on the device.
class TimedStreamWorker final : public StreamWorker {
 public:
  TimedStreamWorker(encode::cuda::CudaStream& stream, std::vector<PixelSlot> slots, int embedding_dim,
                    BatchTimes& times)
      : StreamWorker(stream, std::move(slots), embedding_dim), stream_(stream), times_(times) {}
  ~TimedStreamWorker() override {
    const std::scoped_lock lock(times_.mutex);
    times_.batch_us.insert(times_.batch_us.end(), batch_us_.begin(), batch_us_.end());
    times_.spans.insert(times_.spans.end(), spans_.begin(), spans_.end());
  }
  TimedStreamWorker(const TimedStreamWorker&) = delete;
  TimedStreamWorker& operator=(const TimedStreamWorker&) = delete;

 private:
  void OnBatch(TimePoint submitted) override {
    batch_us_.push_back(static_cast<double>(MicrosBetween(submitted, Clock::now())));
    spans_.push_back(stream_.LastSpan());
  }

  encode::cuda::CudaStream& stream_;
  BatchTimes& times_;
  std::vector<double> batch_us_;
  std::vector<DeviceSpan> spans_;
};

Status MeasureLoaded(CudaEncoder& encoder, std::span<const PixelSlot> slots, double seconds,
                     BenchCudaRow& row) {
  BatchTimes times;
  std::vector<Contestant> contestants(1);
  Contestant& streams = contestants.front();
  streams.name = row.precision + ", " + row.input;
  streams.threads = row.streams;
  streams.seconds = seconds;
  streams.prepare = [&] { return encoder.device_model(0).StartClock(); };
  streams.warm_up = [] { return Status::Ok(); };  // MeasureAlone() has done it
  streams.start = [&](int stream) -> Result<std::unique_ptr<Worker>> {
    return std::unique_ptr<Worker>(std::make_unique<TimedStreamWorker>(
        encoder.cuda_stream(stream), std::vector(slots.begin(), slots.end()), encoder.info().embedding_dim,
        times));
  };
  ASSIGN_OR_RETURN(const std::vector<Series> series, TakeTurns(contestants, {}));
  const Slice& slice = series.front().slices.front();
  std::vector<double> device_us;
  for (const DeviceSpan& span : times.spans) device_us.push_back(span.end_us - span.begin_us);
  row.images_per_s = slice.amount / slice.seconds;
  row.busy = UnionMicros(times.spans) / (slice.seconds * 1e6);
  row.device_us = Median(std::move(device_us));
  row.loaded_p50_us = Quantile(times.batch_us, 0.5);
  row.loaded_p95_us = Quantile(times.batch_us, 0.95);
  return Status::Ok();
}

Status MeasureAlone(CudaEncoder& encoder, std::span<const PixelSlot> slots, int batches, BenchCudaRow& row) {
  std::vector<float> out(slots.size() * static_cast<size_t>(encoder.info().embedding_dim));
  std::vector<double> micros;
  for (int i = 0; i < batches + kAloneWarmup; ++i) {
    const TimePoint begin = Clock::now();
    RETURN_IF_ERROR(EncodeInto(encoder, 0, slots, out));
    if (i >= kAloneWarmup) micros.push_back(Seconds(Clock::now() - begin) * 1e6);
  }
  row.alone_p50_us = Quantile(micros, 0.5);
  row.alone_p95_us = Quantile(micros, 0.95);
  return Status::Ok();
}

Status VerifyPlaces(CudaEncoder& encoder, const Pixels& pixels, int most) {
  const auto dim = static_cast<size_t>(encoder.info().embedding_dim);
  const int count = std::min(most, kVerifiedImages);
  const std::span<const PixelSlot> forward = pixels.first(count);
  const std::vector<PixelSlot> backward(forward.rbegin(), forward.rend());
  for (int stream = 0; stream < encoder.stream_count(); ++stream) {
    ASSIGN_OR_RETURN(const std::vector<float> a, EncodeAll(encoder, stream, forward));
    ASSIGN_OR_RETURN(const std::vector<float> b, EncodeAll(encoder, stream, backward));
    for (size_t i = 0; i < forward.size(); ++i) {
      const auto first = a.begin() + static_cast<std::ptrdiff_t>(i * dim);
      const auto second = b.begin() + static_cast<std::ptrdiff_t>((forward.size() - 1 - i) * dim);
      if (!std::equal(first, first + static_cast<std::ptrdiff_t>(dim), second)) {
        return {Code::kInternal, "stream " + std::to_string(stream) + ": image " + std::to_string(i) +
                                     " has other bits at another place of the batch"};
      }
      if (!std::all_of(first, first + static_cast<std::ptrdiff_t>(dim),
                       [](float v) { return std::isfinite(v); })) {
        return {Code::kInternal, "image " + std::to_string(i) + " got NaN or infinity"};
      }
    }
  }
  return Status::Ok();
}

Status CheckOptions(const BenchCudaOptions& options) {
  const auto within = [](const std::vector<int>& values, int most) {
    return !values.empty() &&
           std::all_of(values.begin(), values.end(), [most](int v) { return v >= 1 && v <= most; });
  };
  if (!within(options.batches, kMostBatch) || !within(options.streams, kMostStreams)) {
    return {Code::kInvalidRequest, "on a GPU, batches are numbers from 1 to " + std::to_string(kMostBatch) +
                                       " and streams from 1 to " + std::to_string(kMostStreams)};
  }
  if (options.precisions.empty() || options.inputs.empty() || !(options.seconds > 0) ||
      options.alone_batches < 1) {
    return {Code::kInvalidRequest, "the benchmark needs a precision, an input and some time"};
  }
  return Status::Ok();
}

class Benchmark {
 public:
  Benchmark(device::Platform& platform, const BenchCudaOptions& options, const BenchModel& bench)
      : platform_(platform), options_(options), bench_(bench) {}

  Status Run(encode::Precision precision, BenchCudaReport& report) {
    encode::EncoderOptions encoder_options;
    encoder_options.precision = precision;
    encoder_options.devices = {options_.device};
    encoder_options.normalization = bench_.normalization;
    ASSIGN_OR_RETURN(const std::string verified, Verify(encoder_options));
    encoder_options.streams = *std::max_element(options_.streams.begin(), options_.streams.end());
    encoder_options.max_batch = *std::max_element(options_.batches.begin(), options_.batches.end());
    ASSIGN_OR_RETURN(const auto encoder,
                     CudaEncoder::Create(platform_, bench_.model, nullptr, encoder_options, {}));
    const int most = encoder->info().max_batch;
    if (most < encoder_options.max_batch) {
      return {Code::kUnavailable, "the GPU has no memory for that many streams with batches of " +
                                      std::to_string(encoder_options.max_batch)};
    }
    report.device = encoder->device_model(0).device();
    report.executed_flops_per_image = encoder->info().executed_flops_per_image;
    report.verified += (report.verified.empty() ? "" : "; ") + encoder->info().precision + ": " + verified;
    if (report.cube_tflops == 0) {
      ASSIGN_OR_RETURN(const double cube, encoder->device_model(0).GemmCeiling(0));
      report.cube_tflops = cube * 1e-12;
    }
    for (const PixelSource source : options_.inputs) {
      ASSIGN_OR_RETURN(const auto pixels,
                       Pixels::Create(*encoder, source, most, bench_.model.config.image_size));
      RETURN_IF_ERROR(VerifyPlaces(*encoder, *pixels, most));
      for (const int batch : options_.batches)
        RETURN_IF_ERROR(MeasureBatch(*encoder, *pixels, source, batch, report));
    }
    return Status::Ok();
  }

 private:
  // Against plain loops, on as many blocks of the model as those can do in a few seconds.
  Result<std::string> Verify(encode::EncoderOptions encoder_options) {
    encoder_options.streams = encoder_options.max_batch = 1;
    return VerifyReference(
        bench_, [&](const model::VisionModel& shorter) -> Result<std::unique_ptr<encode::Encoder>> {
          ASSIGN_OR_RETURN(auto encoder,
                           CudaEncoder::Create(platform_, shorter, nullptr, encoder_options, {}));
          return std::unique_ptr<encode::Encoder>(std::move(encoder));
        });
  }

  Status MeasureBatch(CudaEncoder& encoder, const Pixels& pixels, PixelSource source, int batch,
                      BenchCudaReport& report) {
    ASSIGN_OR_RETURN(const double ceiling, encoder.device_model(0).GemmCeiling(batch));
    BenchCudaRow row;
    row.precision = encoder.info().precision;
    row.input = InputName(source);
    row.batch = batch;
    row.ceiling_tflops = ceiling * 1e-12;
    RETURN_IF_ERROR(MeasureAlone(encoder, pixels.first(batch), options_.alone_batches, row));
    for (const int streams : options_.streams) {
      row.streams = streams;
      RETURN_IF_ERROR(MeasureLoaded(encoder, pixels.first(batch), options_.seconds, row));
      row.tflops = row.images_per_s * encoder.info().executed_flops_per_image * 1e-12;
      row.share_of_ceiling = row.tflops / row.ceiling_tflops;
      report.rows.push_back(row);
      if (options_.progress) {
        options_.progress(row.precision + ", " + row.input + ", batch " + std::to_string(batch) + ", " +
                          std::to_string(streams) + (streams == 1 ? " stream" : " streams"));
      }
    }
    return Status::Ok();
  }

  device::Platform& platform_;
  const BenchCudaOptions& options_;
  const BenchModel& bench_;
};

}  // namespace

int PredictedBatch(int multiprocessors, int hidden_size, int tokens) {
  const int columns = (hidden_size + 255) / 256;
  return std::max(1, 128 * ((multiprocessors + columns - 1) / columns) / tokens);
}

Result<BenchCudaReport> RunBenchCuda(device::Platform& platform, const BenchCudaOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  ASSIGN_OR_RETURN(const BenchModel bench, LoadBenchModel(options.model));
  BenchCudaReport report;
  report.model = bench.name;
  report.flops_per_image = bench.model.config.FlopsPerImage();
  Benchmark benchmark(platform, options, bench);
  for (const encode::Precision precision : options.precisions)
    RETURN_IF_ERROR(benchmark.Run(precision, report));
  report.predicted_batch = PredictedBatch(report.device.multiprocessors, bench.model.config.hidden_size,
                                          bench.model.config.tokens());
  report.verified += "; no image's bits depend on its neighbours or its place";
  return report;
}

}  // namespace photovec::bench
