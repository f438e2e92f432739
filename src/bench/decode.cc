// SPDX-License-Identifier: MIT
#include "bench/decode.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "base/checksum/crc.h"
#include "base/deadline.h"
#include "base/image.h"
#include "base/quantile.h"
#include "bench/photo_queue.h"
#include "bench/photo_worker.h"
#include "bench/runner.h"
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
  bool own = false;  ///< decoded by the own JPEG decoder
  std::vector<double> decode_ms;
  std::vector<double> preprocess_ms;
  std::vector<double> turbo_ms;  ///< decode by libjpeg-turbo, if `own`
  std::vector<double> libjpeg_ms;
  uint32_t checksum = 0;  ///< of its slot

  double megapixels() const { return static_cast<double>(seen.width) * seen.height / 1e6; }
  bool jpeg() const { return seen.format == decode::Format::kJpeg; }
};

double Ms(std::chrono::nanoseconds time) { return Seconds(time) * 1e3; }

Result<Bytes> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status(Code::kNotFound, std::strerror(errno));
  return Bytes(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

/// Reads and checks files until a budget is used up. What does not decode goes to report->failures.
Result<std::vector<Photo>> Load(const BenchDecodeOptions& options, PhotoWorker* worker, PhotoWorker* turbo,
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
    if (first->own_jpeg_decoder && (!turbo->Decode(*encoded).ok() || slot != turbo->slot())) {
      return Status(Code::kInternal, path + " has other pixels by libjpeg-turbo");
    }
    const Result<decode::ImageHeader> header = decode::ProbeHeader(*encoded);
    loaded_bytes += encoded->size();
    Photo photo;
    photo.path = path;
    photo.seen = *first;
    photo.own = first->own_jpeg_decoder;
    photo.checksum = Crc32c(slot);
    photo.progressive = header.ok() && header->jpeg.progressive;
    photo.encoded = std::move(encoded).value();
    photos.push_back(std::move(photo));
  }
  if (!photos.empty()) return photos;
  return Status(Code::kInvalidRequest, report->failures.empty() ? "bench decode was given no files"
                                                                : "none of the files decodes; the first: " +
                                                                      report->failures.front());
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

/// Format, whether progressive, size.
using ClassKey = std::tuple<decode::Format, bool, size_t>;
ClassKey KeyOf(const Photo& photo) {
  return {photo.seen.format, photo.progressive, SizeClassOf(photo.megapixels())};
}
/// Of each class the photos that can be decoded two at a time.
using PairQueues = std::map<ClassKey, PhotoQueue>;

// CPU time of this thread: other processes on a busy machine do not count, as they would in wall time.
void TimeDecode(PhotoWorker* worker, const Bytes& encoded, std::vector<double>* decode_ms,
                std::vector<double>* preprocess_ms) {
  const TimePoint start = Clock::now();
  const auto cpu_start = ThreadCpuTime();
  const Result<decode::DecodeReport> report = worker->Decode(encoded);
  const double cpu_ms = Ms(ThreadCpuTime() - cpu_start);
  const TimePoint end = Clock::now();
  if (!report.ok()) return;  // cannot happen: Load() has decoded it
  const double decode_share = Ms(report->decoded_at - start) / std::max(Ms(end - start), 1e-6);
  decode_ms->push_back(cpu_ms * decode_share);
  preprocess_ms->push_back(cpu_ms * (1 - decode_share));
}

void TimeOne(PhotoWorker* worker, PhotoWorker* turbo, RgbImage* plain, Photo* photo) {
  TimeDecode(worker, photo->encoded, &photo->decode_ms, &photo->preprocess_ms);
  std::vector<double> unused;
  if (photo->own) TimeDecode(turbo, photo->encoded, &photo->turbo_ms, &unused);
  if (!photo->jpeg()) return;
  const auto plain_start = ThreadCpuTime();
  if (decode::DecodeJpegPlain(photo->encoded, plain).ok()) {
    photo->libjpeg_ms.push_back(Ms(ThreadCpuTime() - plain_start));
  }
}

/// Rounds over all photos until the time is up; at least kMinRepetitions.
Result<int> TimeSingleThread(PhotoWorker* worker, PhotoWorker* turbo, PairQueues* queues, double seconds,
                             std::vector<Photo>* photos) {
  RgbImage plain;
  const Deadline deadline = Deadline::After(std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000)));
  int rounds = 0;
  while (rounds < kMinRepetitions || !deadline.Expired()) {
    for (Photo& photo : *photos) TimeOne(worker, turbo, &plain, &photo);
    for (auto& [key, queue] : *queues) RETURN_IF_ERROR(queue.Time());
    ++rounds;
  }
  return rounds;
}

/// Photos in turn on all threads; images per second.
Result<double> TimeThroughput(const BenchDecodeOptions& options, double seconds, const Photos& photos) {
  PhotoTurns turns{photos, options.spec, options.decode};
  std::vector<Contestant> contestants;
  contestants.push_back(PhotoContestant("decode", options.threads, turns, decode::MakeInProcessDecoder,
                                        PhotoWorker::OnFailure::kSkip));
  contestants.front().seconds = seconds;
  ASSIGN_OR_RETURN(const std::vector<Series> series, TakeTurns(contestants, {}));
  return series.front().rate();
}

/// What a queue of `result`'s class gave, beside the same photos one at a time.
void AddPairs(const std::vector<const Photo*>& photos, const PhotoQueue& queue, BenchDecodeClass* result) {
  const auto n = static_cast<double>(queue.size());
  double preprocess_ms = 0;
  for (const Photo* photo : photos) {
    if (!photo->own || photo->progressive) continue;
    preprocess_ms += Median(photo->preprocess_ms) / n;
    result->pair_own_ms += Median(photo->decode_ms) / n;
    result->pair_turbo_ms += Median(photo->turbo_ms) / n;
  }
  result->pair_images = static_cast<int>(queue.size());
  result->pair_ms = Median(queue.ms()) - preprocess_ms;
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
    if (!photo->own) continue;
    ++result.own_images;
    result.own_ms += Median(photo->decode_ms);
    result.turbo_ms += Median(photo->turbo_ms);
  }
  if (result.own_images > 0) {
    result.own_ms /= result.own_images;
    result.turbo_ms /= result.own_images;
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

void FillReport(const std::vector<Photo>& photos, const PairQueues& queues, BenchDecodeReport* report) {
  std::map<ClassKey, std::vector<const Photo*>> groups;
  std::vector<const Photo*> all;
  std::vector<const Photo*> jpegs;
  for (const Photo& photo : photos) {
    groups[KeyOf(photo)].push_back(&photo);
    all.push_back(&photo);
    if (photo.jpeg()) jpegs.push_back(&photo);
  }
  for (const auto& [key, members] : groups) {
    BenchDecodeClass one = Summarise(members);
    if (const auto queue = queues.find(key); queue != queues.end()) AddPairs(members, queue->second, &one);
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
  const Photos none;
  PhotoTurns turns{none, options.spec, options.decode};
  PhotoWorker worker(turns, decode::MakeInProcessDecoder(), PhotoWorker::OnFailure::kStop);
  decode::DecodeOptions turbo_options = options.decode;
  turbo_options.jpeg_decoder = decode::JpegChoice::kLibjpegTurbo;
  PhotoTurns turbo_turns{none, options.spec, turbo_options};
  PhotoWorker turbo(turbo_turns, decode::MakeInProcessDecoder(), PhotoWorker::OnFailure::kStop);
  ASSIGN_OR_RETURN(std::vector<Photo> photos, Load(options, &worker, &turbo, &report));
  Photos encoded;
  for (const Photo& photo : photos) encoded.emplace_back(photo.encoded);
  const double half = std::max(options.seconds, 1) / 2.0;
  const auto pairs = decode::MakeInProcessDecoder();
  PairQueues queues;
  for (const Photo& photo : photos) {
    if (!photo.own || photo.progressive) continue;
    const auto queue = queues.try_emplace(KeyOf(photo), *pairs, options.spec, options.decode).first;
    queue->second.Add(photo.encoded, photo.checksum);
  }
  ASSIGN_OR_RETURN(report.repetitions, TimeSingleThread(&worker, &turbo, &queues, half, &photos));
  ASSIGN_OR_RETURN(report.images_per_s, TimeThroughput(options, half, encoded));
  FillReport(photos, queues, &report);
  if (options.afterwards) RETURN_IF_ERROR(options.afterwards(encoded));
  return report;
}

}  // namespace photovec::bench
