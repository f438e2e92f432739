// SPDX-License-Identifier: MIT
#include "bench/decode.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <thread>
#include <tuple>
#include <utility>

#include "base/image.h"
#include "base/quantile.h"
#include "base/thread_pool.h"
#include "decode/header_probe.h"
#include "decode/pixel_decoder.h"

namespace photovec::bench {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr int kMinRepetitions = 3;
constexpr size_t kMaxLoadedBytes = size_t{2} << 30;

struct Photo {
  std::string path;
  Bytes encoded;
  decode::DecodeReport seen;
  bool progressive = false;
  std::vector<double> decode_ms;
  std::vector<double> preprocess_ms;
  std::vector<double> libjpeg_ms;

  double megapixels() const { return static_cast<double>(seen.width) * seen.height / 1e6; }
  bool jpeg() const { return seen.format == decode::Format::kJpeg; }
};

double Ms(TimePoint from, TimePoint to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

/// CPU time of this thread: other processes on a busy machine do not count, as they would in wall time.
double CpuMs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

Result<Bytes> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status(Code::kNotFound, std::strerror(errno));
  return Bytes(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

/// One thread's decoder and its slot.
class Worker {
 public:
  explicit Worker(const BenchDecodeOptions& options)
      : options_(options), decoder_(decode::MakeInProcessDecoder()), slot_(options.spec.slot_bytes()) {}

  Result<decode::DecodeReport> Decode(const Bytes& encoded) {
    decode::DecodeJob job;
    job.encoded = encoded;
    job.spec = &options_.spec;
    job.options = options_.decode;
    job.out = slot_;
    return decoder_->Decode(job);
  }
  const Bytes& slot() const { return slot_; }

 private:
  const BenchDecodeOptions& options_;
  std::unique_ptr<decode::Decoder> decoder_;
  Bytes slot_;
};

/// Reads and checks files until a budget is used up. What does not decode goes to report->failures.
Result<std::vector<Photo>> Load(const BenchDecodeOptions& options, Worker* worker,
                                BenchDecodeReport* report) {
  std::vector<Photo> photos;
  size_t loaded_bytes = 0;
  const Deadline deadline = Deadline::After(std::chrono::seconds(std::max(options.seconds, 1)));
  for (const std::string& path : options.files) {
    if (!photos.empty() && (deadline.Expired() || loaded_bytes > kMaxLoadedBytes)) {
      ++report->skipped;
      continue;
    }
    Result<Bytes> encoded = ReadFile(path);
    if (!encoded.ok()) {
      report->failures.push_back(path + ": " + encoded.status().ToString());
      continue;
    }
    const Result<decode::DecodeReport> first = worker->Decode(*encoded);
    if (!first.ok()) {
      report->failures.push_back(path + ": " + first.status().ToString());
      continue;
    }
    const Bytes slot = worker->slot();
    const Result<decode::DecodeReport> second = worker->Decode(*encoded);
    if (!second.ok() || slot != worker->slot()) {
      return Status(Code::kInternal, path + " decodes differently the second time");
    }
    const Result<decode::ImageHeader> header = decode::ProbeHeader(*encoded);
    loaded_bytes += encoded->size();
    Photo photo;
    photo.path = path;
    photo.seen = *first;
    photo.progressive = header.ok() && header->jpeg.progressive;
    photo.encoded = std::move(encoded).value();
    photos.push_back(std::move(photo));
  }
  if (!photos.empty()) return photos;
  return Status(Code::kInvalidRequest, report->failures.empty() ? "bench decode was given no files"
                                                                : "none of the files decodes; the first: " +
                                                                      report->failures.front());
}

void TimeOne(Worker* worker, RgbImage* plain, Photo* photo) {
  const TimePoint start = Clock::now();
  const double cpu_start = CpuMs();
  const Result<decode::DecodeReport> report = worker->Decode(photo->encoded);
  const double cpu_ms = CpuMs() - cpu_start;
  const TimePoint end = Clock::now();
  if (!report.ok()) return;  // cannot happen: Load() has decoded it twice
  const double decode_share = Ms(start, report->decoded_at) / std::max(Ms(start, end), 1e-6);
  photo->decode_ms.push_back(cpu_ms * decode_share);
  photo->preprocess_ms.push_back(cpu_ms * (1 - decode_share));
  if (!photo->jpeg()) return;
  const double plain_start = CpuMs();
  if (decode::DecodeJpegPlain(photo->encoded, plain).ok()) photo->libjpeg_ms.push_back(CpuMs() - plain_start);
}

/// Rounds over all photos until the time is up; at least kMinRepetitions.
int TimeSingleThread(Worker* worker, double seconds, std::vector<Photo>* photos) {
  RgbImage plain;
  const Deadline deadline = Deadline::After(std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000)));
  int rounds = 0;
  while (rounds < kMinRepetitions || !deadline.Expired()) {
    for (Photo& photo : *photos) TimeOne(worker, &plain, &photo);
    ++rounds;
  }
  return rounds;
}

/// Photos in turn on all threads; images per second.
double TimeThroughput(const BenchDecodeOptions& options, double seconds, const std::vector<Photo>& photos) {
  std::atomic<size_t> next{0};
  std::atomic<int64_t> done{0};
  const TimePoint start = Clock::now();
  const Deadline deadline = Deadline::After(std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000)));
  const auto work = [&] {
    SetThreadNice(kWorkerNice);
    Worker worker(options);
    while (!deadline.Expired()) {
      const Photo& photo = photos[next.fetch_add(1) % photos.size()];
      if (worker.Decode(photo.encoded).ok()) done.fetch_add(1);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < std::max(options.threads, 1); ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  return 1000.0 * static_cast<double>(done.load()) / Ms(start, Clock::now());
}

struct SizeClass {
  double below_mp;
  const char* name;
};
constexpr SizeClass kSizeClasses[] = {
    {0.5, "< 0.5 MP"}, {2, "0.5-2 MP"}, {6, "2-6 MP"}, {16, "6-16 MP"}, {1e9, ">= 16 MP"}};

size_t SizeClassOf(double megapixels) {
  size_t index = 0;
  while (megapixels >= kSizeClasses[index].below_mp) ++index;
  return index;
}

BenchDecodeClass Summarise(const std::vector<const Photo*>& photos) {
  BenchDecodeClass result;
  const auto n = static_cast<double>(photos.size());
  double bytes = 0;
  double megapixels = 0;
  for (const Photo* photo : photos) {
    bytes += static_cast<double>(photo->encoded.size());
    megapixels += photo->megapixels();
    result.decode_ms += Median(photo->decode_ms) / n;
    result.preprocess_ms += Median(photo->preprocess_ms) / n;
    result.libjpeg_full_ms += Median(photo->libjpeg_ms) / n;
  }
  const double seconds = (result.decode_ms + result.preprocess_ms) * n / 1000;
  result.images = static_cast<int>(photos.size());
  result.megapixels = megapixels / n;
  result.kilobytes = bytes / n / 1000;
  result.bits_per_pixel = bytes * 8 / (megapixels * 1e6);
  result.images_per_s = n / seconds;
  result.source_mp_per_s = megapixels / seconds;
  return result;
}

void FillReport(const std::vector<Photo>& photos, BenchDecodeReport* report) {
  std::map<std::tuple<decode::Format, bool, size_t>, std::vector<const Photo*>> groups;
  std::vector<const Photo*> all;
  std::vector<const Photo*> jpegs;
  for (const Photo& photo : photos) {
    groups[{photo.seen.format, photo.progressive, SizeClassOf(photo.megapixels())}].push_back(&photo);
    all.push_back(&photo);
    if (photo.jpeg()) jpegs.push_back(&photo);
  }
  for (const auto& [key, members] : groups) {
    BenchDecodeClass one = Summarise(members);
    one.format = std::string(decode::FormatName(std::get<0>(key))) + (std::get<1>(key) ? " progressive" : "");
    one.size_class = kSizeClasses[std::get<2>(key)].name;
    report->classes.push_back(std::move(one));
  }
  const BenchDecodeClass total = Summarise(all);
  report->images = total.images;
  report->images_per_s_per_core = total.images_per_s;
  report->source_mp_per_s_per_core = total.source_mp_per_s;
  if (jpegs.empty()) return;
  const BenchDecodeClass jpeg = Summarise(jpegs);
  report->libjpeg_full_ms = jpeg.libjpeg_full_ms;
  report->jpeg_total_ms = jpeg.decode_ms + jpeg.preprocess_ms;
}

}  // namespace

Result<BenchDecodeReport> RunBenchDecode(const BenchDecodeOptions& options) {
  BenchDecodeReport report;
  report.machine = ProbeMachine();
  report.jpeg_scaling = options.decode.jpeg_scaling;
  report.color = options.decode.color;
  report.crop = options.spec.crop;
  report.threads = std::max(options.threads, 1);
  Worker worker(options);
  Result<std::vector<Photo>> photos = Load(options, &worker, &report);
  if (!photos.ok()) return photos.status();
  const double half = std::max(options.seconds, 1) / 2.0;
  report.repetitions = TimeSingleThread(&worker, half, &photos.value());
  report.images_per_s = TimeThroughput(options, half, *photos);
  FillReport(*photos, &report);
  if (options.afterwards) {
    std::vector<std::span<const uint8_t>> encoded;
    for (const Photo& photo : *photos) encoded.emplace_back(photo.encoded);
    RETURN_IF_ERROR(options.afterwards(encoded));
  }
  return report;
}

}  // namespace photovec::bench
