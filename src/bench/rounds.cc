// SPDX-License-Identifier: MIT
#include "bench/rounds.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include "base/thread_pool.h"
#include "bulk/reader.h"
#include "bulk/walker.h"
#include "net/client.h"

namespace photovec::bench {
namespace {

double SecondsBetween(TimePoint begin, TimePoint end) {
  return std::chrono::duration<double>(end - begin).count();
}

TimePoint SecondsFrom(TimePoint begin, double seconds) {
  return begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

double CpuSeconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

int UsableCpus() {
  static const int cpus = std::max(1, static_cast<int>(ProbeMachine().cpus.size()));
  return cpus;
}

// CPU time of this process over the time since it was made, as a share of all usable CPUs.
class CpuMeter {
 public:
  double Used() const { return CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_; }
  double Share() const {
    const double wall = SecondsBetween(begin_, Clock::now());
    return wall > 0 ? Used() / (wall * UsableCpus()) : 0;
  }

 private:
  const TimePoint begin_ = Clock::now();
  const double cpu_ = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
};

// What one thread did.
struct Work {
  int64_t images = 0;
  double seconds = 0;
};

// Runs `work` on each of `count` threads at the workers' priority, and adds their rates up.
Result<RoundResult> SumOfThreads(int count, const std::function<Result<Work>(int)>& work) {
  const CpuMeter meter;
  std::vector<Result<Work>> done(static_cast<size_t>(count), Work{});
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      SetThreadNice(kWorkerNice);
      done[static_cast<size_t>(i)] = work(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  RoundResult result;
  int64_t images = 0;
  for (const Result<Work>& one : done) {
    if (!one.ok()) return one.status();
    images += one->images;
    result.images_per_s += static_cast<double>(one->images) / one->seconds;
  }
  result.cpu_share = meter.Share();
  result.cpu_ms = meter.Used() * 1e3 / static_cast<double>(images);
  return result;
}

// Photos in turn, `count` at a time.
class Turn {
 public:
  explicit Turn(const PhotoSet& photos) : photos_(photos) {}
  std::vector<Bytes> Next(int count) {
    std::scoped_lock lock(mutex_);
    std::vector<Bytes> some;
    for (int i = 0; i < count; ++i) some.push_back(photos_.photos[next_++ % photos_.photos.size()]);
    return some;
  }

 private:
  const PhotoSet& photos_;
  std::mutex mutex_;
  size_t next_ = 0;
};

// What MeasureSteadyState watched; images are counted later, when every request has been recorded.
struct Window {
  TimePoint begin, end;
  double cpu_share = 0;
  double cpu_seconds = 0;
};

// Lets the load settle until the first request is answered (at most `seconds`), then watches for `seconds`.
Window WatchSteadyState(const WorkTap& tap, double seconds) {
  const TimePoint settled_by = SecondsFrom(Clock::now(), seconds);
  while (tap.requests() == 0 && Clock::now() < settled_by) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const CpuMeter meter;
  Window window;
  window.begin = Clock::now();
  std::this_thread::sleep_until(SecondsFrom(window.begin, seconds));
  window.end = Clock::now();
  window.cpu_share = meter.Share();
  window.cpu_seconds = meter.Used();
  return window;
}

// One lane: sends requests until told to stop. Returns the first error.
using Lane = std::function<Status(const std::atomic<bool>& stop, std::atomic<int64_t>& cpu_us)>;

// Keeps `lanes` lanes busy, watches, stops them, counts.
Result<RoundResult> RunLanes(WorkTap& tap, const Load& load, const Lane& lane) {
  tap.Clear();
  std::atomic<bool> stop{false};
  std::atomic<int64_t> cpu_us{0};
  std::vector<Status> statuses(static_cast<size_t>(load.lanes));
  std::vector<std::thread> threads;
  for (int i = 0; i < load.lanes; ++i) {
    threads.emplace_back([&, i] { statuses[static_cast<size_t>(i)] = lane(stop, cpu_us); });
  }
  const Window window = WatchSteadyState(tap, load.seconds);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : statuses) RETURN_IF_ERROR(status);
  if (tap.failed() > 0) {
    return Status(Code::kInternal, std::to_string(tap.failed()) + " photos failed while being measured");
  }
  RoundResult result;
  const double images = tap.ImagesBetween(window.begin, window.end);
  result.images_per_s = images / SecondsBetween(window.begin, window.end);
  result.cpu_share = window.cpu_share;
  result.cpu_ms = window.cpu_seconds * 1e3 / images;
  const double sent = static_cast<double>(tap.requests()) * load.images_per_request;
  result.client_ms = static_cast<double>(cpu_us) * 1e-3 / sent;
  return result;
}

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

}  // namespace

Result<PhotoSet> LoadPhotos(const std::string& dir, int most, const engine::Engine& engine,
                            const decode::DecodeOptions& decode) {
  bulk::PathWalker walker({dir}, false);
  const auto decoder = decode::MakeInProcessDecoder();
  const preprocess::Spec& spec = engine.models[0].spec;
  std::vector<uint8_t> slot(spec.slot_bytes());
  PhotoSet set;
  double pixels = 0;
  double bytes = 0;
  while (static_cast<int>(set.photos.size()) < most) {
    const auto found = walker.Next();
    if (!found) break;
    const auto photo = bulk::ReadWholeFile(found->path, decode.limits.max_file_bytes);
    if (!photo.ok()) {
      ++set.refused;
      continue;
    }
    const auto report = decoder->Decode({photo->view(), &spec, decode, slot});
    if (!report.ok()) {
      ++set.refused;
      continue;
    }
    pixels += static_cast<double>(report->width) * report->height;
    bytes += static_cast<double>(photo->size());
    set.photos.push_back(*photo);
  }
  if (set.photos.empty()) {
    return Status(Code::kInvalidRequest,
                  dir +
                      " holds no photo that decodes; any folder of JPEGs of about 2 megapixels will do, "
                      "scripts/demo makes one from Debian's wallpapers");
  }
  set.mean_megapixels = pixels / 1e6 / static_cast<double>(set.photos.size());
  set.mean_bytes = bytes / static_cast<double>(set.photos.size());
  return set;
}

namespace {

// As the pipeline's, but on this thread where the CPU decodes: what processes cost is not what is asked here.
std::unique_ptr<decode::Decoder> DecoderOf(const engine::Engine& engine) {
  auto cpu = decode::MakeInProcessDecoder();
  if (engine.gpu_jpeg == nullptr) return cpu;
  return decode::MakeGpuDecoder(*engine.gpu_jpeg, std::move(cpu));
}

// Unpins what an encoder was told of.
class Pinned {
 public:
  Pinned(encode::Encoder& encoder, std::span<uint8_t> arena) : encoder_(encoder), arena_(arena) {}
  ~Pinned() { encoder_.UnregisterSlots(arena_); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;

 private:
  encode::Encoder& encoder_;
  const std::span<uint8_t> arena_;
};

}  // namespace

Result<RoundResult> DecodeRound(const engine::Engine& engine, const PhotoSet& photos,
                                const decode::DecodeOptions& decode, double seconds) {
  const preprocess::Spec& spec = engine.models[0].spec;
  return SumOfThreads(engine.plan.decode_threads, [&](int thread) -> Result<Work> {
    const auto decoder = DecoderOf(engine);
    std::vector<uint8_t> slot(spec.slot_bytes());
    const TimePoint begin = Clock::now();
    const TimePoint end = SecondsFrom(begin, seconds);
    int64_t images = 0;
    // Each thread starts elsewhere in the set, so that one large photo does not meet all of them at once.
    for (auto next = static_cast<size_t>(thread) * 7; Clock::now() < end; ++next, ++images) {
      RETURN_IF_ERROR(
          decoder->Decode({photos.photos[next % photos.photos.size()].view(), &spec, decode, slot}).status());
    }
    return Work{images, SecondsBetween(begin, Clock::now())};
  });
}

Result<RoundResult> EncodeRound(const engine::Engine& engine, double seconds) {
  const engine::ModelSummary& model = engine.models[0];
  const int batch = model.encoder.max_batch;
  ASSIGN_OR_RETURN(const auto pool, SlotPool::Create(model.spec.slot_bytes(), batch * model.streams));
  RETURN_IF_ERROR(model.handle->RegisterSlots(pool->arena()));
  const Pinned pinned(*model.handle, pool->arena());
  return SumOfThreads(model.streams, [&](int thread) -> Result<Work> {
    encode::EncoderStream& stream = model.handle->stream(thread);
    std::vector<SlotRef> held;
    std::vector<PixelSlot> slots;
    for (int i = 0; i < batch; ++i) {
      held.push_back(*pool->TryAcquire());
      const std::span<uint8_t> pixels = held.back().pixels();
      for (size_t p = 0; p < pixels.size(); ++p)
        pixels[p] = static_cast<uint8_t>(p * 37 + static_cast<size_t>(i));
      slots.push_back(held.back().view());
    }
    const size_t floats = static_cast<size_t>(batch) * static_cast<size_t>(model.encoder.embedding_dim);
    const auto depth = static_cast<size_t>(stream.depth());
    std::vector<float> out(floats * depth);
    std::deque<encode::Ticket> flights;
    const TimePoint begin = Clock::now();
    const TimePoint end = SecondsFrom(begin, seconds);
    int64_t images = 0;
    for (size_t next = 0; Clock::now() < end || !flights.empty();) {
      if (flights.size() < depth && Clock::now() < end) {
        ASSIGN_OR_RETURN(const encode::Ticket ticket,
                         stream.Submit(slots, std::span(out).subspan(next++ % depth * floats, floats)));
        flights.push_back(ticket);
        if (flights.size() < depth) continue;
      }
      RETURN_IF_ERROR(stream.Wait(flights.front()));
      flights.pop_front();
      images += batch;
    }
    return Work{images, SecondsBetween(begin, Clock::now())};
  });
}

Result<RoundResult> PipelineRound(TappedPipeline& pipeline, WorkTap& tap, const PhotoSet& photos,
                                  const Load& load) {
  Turn turn(photos);
  return RunLanes(tap, load, [&](const std::atomic<bool>& stop, std::atomic<int64_t>& /*cpu_us*/) {
    while (!stop) {
      const auto result = RunRequest(pipeline, turn.Next(load.images_per_request));
      if (!result.ok()) return result.status();
    }
    return Status::Ok();
  });
}

Result<RoundResult> HttpRound(uint16_t port, WorkTap& tap, const PhotoSet& photos, const Load& load,
                              int dimensions) {
  Turn turn(photos);
  const size_t expected = static_cast<size_t>(load.images_per_request) * static_cast<size_t>(dimensions) * 4;
  return RunLanes(tap, load, [&](const std::atomic<bool>& stop, std::atomic<int64_t>& cpu_us) -> Status {
    ASSIGN_OR_RETURN(const auto client, net::HttpClient::Connect(port));
    while (!stop) {
      const double begin = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
      ASSIGN_OR_RETURN(const std::string reply, client->Upload(turn.Next(load.images_per_request)));
      cpu_us += static_cast<int64_t>((CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - begin) * 1e6);
      if (reply.size() != expected) {
        return {Code::kInternal, "the server's reply has " + std::to_string(reply.size()) + " bytes, not " +
                                     std::to_string(expected)};
      }
    }
    return Status::Ok();
  });
}

namespace {

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

}  // namespace

Status VerifyPipeline(const engine::Engine& engine, const PhotoSet& photos,
                      const decode::DecodeOptions& decode) {
  Status status;
  // On a thread of its own: a stream may pin its caller to a CPU, and children inherit that.
  std::thread([&] { status = CompareWithPipeline(engine, photos, decode); }).join();
  return status;
}

}  // namespace photovec::bench
