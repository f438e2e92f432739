// SPDX-License-Identifier: MIT
#include "bench/cuda.h"

#include <algorithm>
#include <barrier>
#include <cmath>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "base/deadline.h"
#include "base/quantile.h"
#include "base/slot_pool.h"
#include "bench/encode_model.h"
#include "bench/images.h"
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

// What one stream saw.
struct StreamTimes {
  Status status;
  int64_t images = 0;
  std::vector<double> batch_us;
  std::vector<DeviceSpan> spans;
};

// Keeps two batches in flight until `seconds` are over.
void Drive(CudaEncoder& encoder, int index, std::span<const PixelSlot> slots, double seconds,
           std::barrier<>& start, StreamTimes& times) {
  encode::cuda::CudaStream& stream = encoder.cuda_stream(index);
  const size_t floats = slots.size() * static_cast<size_t>(encoder.info().embedding_dim);
  std::vector<float> out(2 * floats);
  struct Flight {
    encode::Ticket ticket;
    TimePoint begin;
  };
  std::vector<Flight> flights;
  start.arrive_and_wait();
  const TimePoint end =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  for (size_t batch = 0; times.status.ok(); ++batch) {
    const TimePoint now = Clock::now();
    if (now < end) {
      const auto ticket = stream.Submit(slots, std::span(out).subspan(batch % 2 * floats, floats));
      times.status = ticket.status();
      if (ticket.ok()) flights.push_back({*ticket, now});
    }
    if (flights.empty()) return;
    if (flights.size() < 2 && now < end) continue;
    const Flight oldest = flights.front();
    flights.erase(flights.begin());
    times.status = stream.Wait(oldest.ticket);
    times.batch_us.push_back(static_cast<double>(MicrosBetween(oldest.begin, Clock::now())));
    times.spans.push_back(stream.LastSpan());
    times.images += static_cast<int64_t>(slots.size());
  }
}

Status MeasureLoaded(CudaEncoder& encoder, std::span<const PixelSlot> slots, double seconds,
                     BenchCudaRow& row) {
  std::vector<StreamTimes> times(static_cast<size_t>(row.streams));
  std::barrier<> start(row.streams + 1);
  RETURN_IF_ERROR(encoder.device_model(0).StartClock());
  std::vector<std::thread> threads;
  for (int i = 0; i < row.streams; ++i) {
    threads.emplace_back([&, i] { Drive(encoder, i, slots, seconds, start, times[static_cast<size_t>(i)]); });
  }
  start.arrive_and_wait();
  const TimePoint begin = Clock::now();
  for (std::thread& thread : threads) thread.join();
  const double wall_us = static_cast<double>(MicrosBetween(begin, Clock::now()));
  std::vector<double> batch_us;
  std::vector<DeviceSpan> spans;
  int64_t images = 0;
  for (const StreamTimes& stream : times) {
    RETURN_IF_ERROR(stream.status);
    images += stream.images;
    batch_us.insert(batch_us.end(), stream.batch_us.begin(), stream.batch_us.end());
    spans.insert(spans.end(), stream.spans.begin(), stream.spans.end());
  }
  std::vector<double> device_us;
  for (const DeviceSpan& span : spans) device_us.push_back(span.end_us - span.begin_us);
  row.images_per_s = static_cast<double>(images) / wall_us * 1e6;
  row.busy = UnionMicros(spans) / wall_us;
  row.device_us = Quantile(device_us, 0.5);
  row.loaded_p50_us = Quantile(batch_us, 0.5);
  row.loaded_p95_us = Quantile(batch_us, 0.95);
  return Status::Ok();
}

Status MeasureAlone(CudaEncoder& encoder, std::span<const PixelSlot> slots, int batches, BenchCudaRow& row) {
  std::vector<float> out(slots.size() * static_cast<size_t>(encoder.info().embedding_dim));
  std::vector<double> micros;
  for (int i = 0; i < batches + kAloneWarmup; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    ASSIGN_OR_RETURN(const encode::Ticket ticket, encoder.stream(0).Submit(slots, out));
    RETURN_IF_ERROR(encoder.stream(0).Wait(ticket));
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    if (i >= kAloneWarmup) micros.push_back(took.count());
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
    ASSIGN_OR_RETURN(const auto encoder, CudaEncoder::Create(platform_, bench_.model, encoder_options, {}));
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
          ASSIGN_OR_RETURN(auto encoder, CudaEncoder::Create(platform_, shorter, encoder_options, {}));
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
