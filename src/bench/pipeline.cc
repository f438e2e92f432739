// SPDX-License-Identifier: MIT
#include "bench/pipeline.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "api/http_api.h"
#include "base/thread_pool.h"
#include "bench/photo_worker.h"
#include "bench/runner.h"
#include "bench/stream_worker.h"
#include "bench/table.h"
#include "bench/work_tap.h"
#include "net/client.h"
#include "net/multipart.h"
#include "net/server.h"

namespace photovec::bench {
namespace {

// Hands photos out in turn, several at a time. Thread-safe.
// POST /embed as a form, one part a photo, asking for rows of f32.
Result<net::ClientReply> Upload(net::Client& client, const std::vector<Bytes>& photos) {
  std::vector<std::string_view> pieces(1);
  for (const Bytes& photo : photos) {
    net::AppendFilePart(pieces, {reinterpret_cast<const char*>(photo.view().data()), photo.size()});
  }
  net::AppendFormEnd(pieces);
  size_t bytes = 0;
  for (const std::string_view piece : pieces) bytes += piece.size();
  const std::string head =
      "POST /embed HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/octet-stream\r\nContent-Type: " +
      std::string(net::kFormType) + "\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
  pieces.front() = head;
  return client.Ask(pieces);
}

class Batches {
 public:
  Batches(const PhotoSet& set, int count) : photos_(set.photos), count_(static_cast<size_t>(count)) {}
  std::vector<Bytes> Next() {
    const size_t first = next_.fetch_add(count_);
    std::vector<Bytes> some;
    for (size_t i = 0; i < count_; ++i) some.push_back(photos_[(first + i) % photos_.size()]);
    return some;
  }
  size_t count() const { return count_; }

 private:
  const std::vector<Bytes>& photos_;
  const size_t count_;
  std::atomic<size_t> next_{0};
};

Result<pipeline::RequestResult> RunRequest(pipeline::Pipeline& pipeline, std::vector<Bytes> photos) {
  auto promise = std::make_shared<std::promise<pipeline::RequestResult>>();
  auto future = promise->get_future();
  ASSIGN_OR_RETURN(const std::unique_ptr<pipeline::Request> request,
                   pipeline.Open({}, [promise](pipeline::RequestResult result) {
                     promise->set_value(std::move(result));
                   }));
  for (Bytes& photo : photos) request->Add(std::move(photo));
  request->Finish();
  return future.get();
}

std::vector<float> Normalized(std::vector<float> vector) {
  double square = 0;
  for (const float value : vector) square += static_cast<double>(value) * static_cast<double>(value);
  const auto scale = static_cast<float>(1.0 / std::sqrt(square));
  for (float& value : vector) value *= scale;
  return vector;
}

// As the pipeline's, but on this thread where the CPU decodes: what processes cost is not what is asked here.
std::unique_ptr<decode::Decoder> DecoderOf(const engine::Engine& engine) {
  auto cpu = decode::MakeInProcessDecoder();
  if (engine.gpu_jpeg == nullptr) return cpu;
  return decode::MakeGpuDecoder(*engine.gpu_jpeg, std::move(cpu));
}

Status CompareWithPipeline(const engine::Engine& engine, const PhotoSet& photos,
                           const decode::DecodeOptions& decode) {
  const engine::ModelSummary& model = engine.models[0];
  const size_t count = std::min<size_t>(4, photos.photos.size());
  std::vector<Bytes> some(photos.photos.begin(), photos.photos.begin() + static_cast<std::ptrdiff_t>(count));
  ASSIGN_OR_RETURN(const auto result, RunRequest(*engine.pipeline, some));
  const auto decoder = DecoderOf(engine);
  // Batches of another size may round otherwise on a GPU, and nvJPEG need not be the same photo for photo.
  const float most = engine.plan.backend == encode::Backend::kCuda ? 5e-3F : 1e-5F;
  ASSIGN_OR_RETURN(const auto pool, SlotPool::Create(model.spec.slot_bytes(), 1));
  const SlotRef slot = *pool->TryAcquire();
  std::vector<float> out(static_cast<size_t>(model.encoder.embedding_dim));
  for (size_t i = 0; i < count; ++i) {
    RETURN_IF_ERROR(result.items[i].status);
    RETURN_IF_ERROR(decoder->Decode({some[i].view(), &model.spec, decode, slot.pixels()}).status());
    const PixelSlot view = slot.view();
    encode::EncoderStream& stream = model.handle->stream(0);
    ASSIGN_OR_RETURN(const encode::Ticket ticket, stream.Submit({&view, 1}, out));
    RETURN_IF_ERROR(stream.Wait(ticket));
    const std::vector<float> expected = Normalized(out);
    float worst = 0;
    for (size_t d = 0; d < expected.size(); ++d) {
      worst = std::max(worst, std::abs(expected[d] - result.items[i].embedding[d]));
    }
    if (!(worst <= most)) {
      return {Code::kInternal, "photo " + std::to_string(i) + " through the pipeline is " +
                                   std::to_string(worst) + " away from its vector made by hand"};
    }
  }
  return Status::Ok();
}

// A stream's batch in slots that the encoder knows, as the pipeline's are.
class PinnedStreamWorker final : public StreamWorker {
 public:
  PinnedStreamWorker(encode::EncoderStream& stream, const encode::EncoderInfo& info,
                     std::vector<SlotRef> slots)
      : StreamWorker(stream, Views(slots), info.embedding_dim), held_(std::move(slots)) {}

  static Result<std::unique_ptr<Worker>> Make(const engine::ModelSummary& model, int stream, SlotPool& pool) {
    std::vector<SlotRef> slots;
    for (int i = 0; i < model.encoder.max_batch; ++i) {
      slots.push_back(*pool.TryAcquire());
      const std::span<uint8_t> pixels = slots.back().pixels();
      for (size_t p = 0; p < pixels.size(); ++p) {
        pixels[p] = static_cast<uint8_t>(p * 37 + static_cast<size_t>(i));
      }
    }
    return std::unique_ptr<Worker>(
        std::make_unique<PinnedStreamWorker>(model.handle->stream(stream), model.encoder, std::move(slots)));
  }

 private:
  static std::vector<PixelSlot> Views(const std::vector<SlotRef>& slots) {
    std::vector<PixelSlot> views;
    for (const SlotRef& slot : slots) views.push_back(slot.view());
    return views;
  }

  const std::vector<SlotRef> held_;
};

class Benchmark {
 public:
  Benchmark(engine::Engine& engine, const BenchPipelineOptions& options, const PhotoSet& photos)
      : engine_(engine),
        options_(options),
        model_(engine.models[0]),
        slice_(options.seconds / options.passes),
        tapped_(*engine.pipeline, tap_),
        api_(tapped_, *engine.registry),
        views_(ViewsOf(photos)),
        turns_{views_, model_.spec, options.decode},
        batches_(photos, options.images_per_request) {}
  ~Benchmark() {
    if (server_ != nullptr) server_->Stop(Deadline::After(std::chrono::seconds(5)));
  }
  Benchmark(const Benchmark&) = delete;
  Benchmark& operator=(const Benchmark&) = delete;

  Result<std::vector<Series>> Run(bulk::StageSummary& stages) {
    std::vector<Contestant> contestants;
    contestants.push_back(Decode());
    contestants.push_back(Encode());
    contestants.push_back(Pipeline(stages));
    if (options_.http) {
      RETURN_IF_ERROR(StartServer());
      contestants.push_back(Http());
    }
    RoundOptions rounds;
    rounds.rounds = options_.passes;
    rounds.after_round = [this](int round, const std::vector<Series>& series) { Tell(round, series); };
    return TakeTurns(contestants, rounds);
  }

  double Bound(const std::vector<Series>& series, size_t round) const {
    const double decode = series[0].slices[round].rate;
    const double encode = series[1].slices[round].rate;
    return engine_.plan.backend == encode::Backend::kCpu ? 1.0 / (1.0 / decode + 1.0 / encode)
                                                         : std::min(decode, encode);
  }
  // Of an HTTP client's threads, an image.
  double ClientMs(const Slice& slice) const {
    return slice.threads_cpu_seconds * 1e3 / static_cast<double>(slice.units * options_.images_per_request);
  }

 private:
  static Photos ViewsOf(const PhotoSet& set) {
    Photos views;
    for (const Bytes& photo : set.photos) views.push_back(photo.view());
    return views;
  }

  Contestant Decode() {
    Contestant one = PhotoContestant(
        "decode", engine_.plan.decode_threads, turns_, [this] { return DecoderOf(engine_); },
        PhotoWorker::OnFailure::kStop);
    one.seconds = slice_;
    return one;
  }

  Contestant Encode() {
    Contestant one;
    one.name = "encode";
    one.threads = model_.streams;
    one.nice = kWorkerNice;
    one.seconds = slice_;
    one.prepare = [this]() -> Status {
      ASSIGN_OR_RETURN(slots_,
                       SlotPool::Create(model_.spec.slot_bytes(), model_.encoder.max_batch * model_.streams));
      const Status known = model_.handle->RegisterSlots(slots_->arena());
      if (!known.ok()) slots_.reset();
      return known;
    };
    one.start = [this](int stream) { return PinnedStreamWorker::Make(model_, stream, *slots_); };
    one.release = [this] {
      model_.handle->UnregisterSlots(slots_->arena());
      slots_.reset();
    };
    return one;
  }

  // What both ways to send requests have in common.
  Contestant Clients(const char* name) {
    Contestant one;
    one.name = name;
    one.threads = options_.clients;
    one.seconds = slice_;
    one.prepare = [this] {
      tap_.Clear();
      return Status::Ok();
    };
    one.window = std::make_unique<Window>();
    one.window->settle_seconds = slice_;
    one.window->settled = [this] { return tap_.requests() > 0; };
    one.window->amount = [this](TimePoint begin, TimePoint end) { return tap_.ImagesBetween(begin, end); };
    return one;
  }

  Contestant Pipeline(bulk::StageSummary& stages) {
    Contestant one = Clients("pipeline");
    one.start = [this](int /*client*/) {
      return Result(MakeWorker([this]() -> Result<double> {
        RETURN_IF_ERROR(RunRequest(tapped_, batches_.Next()).status());
        return Answered();
      }));
    };
    one.release = [this, &stages] { stages = tap_.TakeStages(); };
    return one;
  }

  Contestant Http() {
    Contestant one = Clients("http");
    one.start = [this](int /*client*/) -> Result<std::unique_ptr<Worker>> {
      auto client = std::make_shared<net::Client>(server_->port());
      return MakeWorker([this, client]() -> Result<double> {
        ASSIGN_OR_RETURN(const net::ClientReply reply, Upload(*client, batches_.Next()));
        if (reply.status != 200) {
          return Status(Code::kInternal, "the server answered HTTP " + std::to_string(reply.status) + ": " +
                                             reply.body.substr(0, 500));
        }
        const size_t expected = batches_.count() * static_cast<size_t>(model_.encoder.embedding_dim) * 4;
        if (reply.body.size() == expected) return Answered();
        return Status(Code::kInternal, "the server's reply has " + std::to_string(reply.body.size()) +
                                           " bytes, not " + std::to_string(expected));
      });
    };
    return one;
  }

  // One request's images, once it was looked at.
  Result<double> Answered() const {
    if (tap_.failed() == 0) return static_cast<double>(batches_.count());
    return Status(Code::kInternal, std::to_string(tap_.failed()) + " photos failed while being measured");
  }

  Status StartServer() {
    net::ServerOptions options;
    options.port = 0;
    options.max_body_bytes = uint64_t{1} << 30;
    server_ = std::make_unique<net::Server>(api_, tapped_.budget(), *engine_.registry, options);
    RETURN_IF_ERROR(server_->Start());
    api_.SetReady(true);
    return Status::Ok();
  }

  void Tell(int round, const std::vector<Series>& series) const {
    if (!options_.progress) return;
    const auto at = static_cast<size_t>(round);
    const auto rate = [&](size_t kind) { return series[kind].slices[at].rate; };
    std::string line = "pass " + std::to_string(round + 1) + ": decode " + Fixed(rate(0), 1) + ", encode " +
                       Fixed(rate(1), 1) + ", end to end " + Fixed(rate(2), 1) + " img/s (" +
                       Fixed(rate(2) / Bound(series, at) * 100, 1) + "% of the bound)";
    if (options_.http) line += ", http " + Fixed(rate(3), 1) + " img/s";
    options_.progress(line);
  }

  engine::Engine& engine_;
  const BenchPipelineOptions& options_;
  const engine::ModelSummary& model_;
  const double slice_;
  WorkTap tap_;
  TappedPipeline tapped_;
  api::HttpApi api_;
  const Photos views_;
  PhotoTurns turns_;
  Batches batches_;
  std::unique_ptr<SlotPool> slots_;      // while encoding alone
  std::unique_ptr<net::Server> server_;  // uses api_
};

void Summarise(const Benchmark& benchmark, const std::vector<Series>& series, BenchPipelineReport& report) {
  const size_t rounds = series[0].slices.size();
  const auto kind = [&](size_t i) { return BenchPipelineReport::Kind{series[i].rate(), series[i].cpu_ms()}; };
  const auto slice = [&](size_t i, size_t round) -> const Slice& { return series[i].slices[round]; };
  report.decode = kind(0);
  report.encode = kind(1);
  report.pipeline = kind(2);
  report.bound = MedianOfRounds(rounds, [&](size_t round) { return benchmark.Bound(series, round); });
  report.share = MedianOfRounds(
      rounds, [&](size_t round) { return slice(2, round).rate / benchmark.Bound(series, round); });
  report.cpu_share = MedianOfRounds(rounds, [&](size_t round) {
    return (slice(0, round).cpu_ms() + slice(1, round).cpu_ms()) / slice(2, round).cpu_ms();
  });
  const auto cpus = std::max<size_t>(1, report.machine.cpus.size());
  report.busy = series[2].Median([&](const Slice& one) { return one.cpus / static_cast<double>(cpus); });
  if (series.size() <= 3) return;
  report.http = kind(3);
  report.http_cost =
      MedianOfRounds(rounds, [&](size_t round) { return 1.0 - slice(3, round).rate / slice(2, round).rate; });
  report.http_cpu_cost = MedianOfRounds(rounds, [&](size_t round) {
    return (slice(3, round).cpu_ms() - benchmark.ClientMs(slice(3, round))) / slice(2, round).cpu_ms() - 1.0;
  });
  report.client_cpu_ms = series[3].Median([&](const Slice& one) { return benchmark.ClientMs(one); });
}

}  // namespace

Result<BenchPipelineReport> RunBenchPipeline(engine::Engine& engine, const BenchPipelineOptions& options) {
  BenchPipelineReport report;
  report.options = options;
  report.model = engine.models[0];
  report.threads_per_stream = engine.plan.threads_per_stream;
  report.decoders = engine.plan.decode_threads;
  report.shared_cpus = engine.plan.backend == encode::Backend::kCpu;
  report.machine = ProbeMachine();
  ASSIGN_OR_RETURN(report.photos,
                   LoadPhotos(options.images, options.most_images, report.model.spec, options.decode));
  Status verified;
  // On a thread of its own: a stream may pin its caller to a CPU, and children inherit that.
  std::thread([&] { verified = CompareWithPipeline(engine, report.photos, options.decode); }).join();
  RETURN_IF_ERROR(verified);
  Benchmark benchmark(engine, options, report.photos);
  ASSIGN_OR_RETURN(const std::vector<Series> series, benchmark.Run(report.stages));
  Summarise(benchmark, series, report);
  return report;
}

}  // namespace photovec::bench
