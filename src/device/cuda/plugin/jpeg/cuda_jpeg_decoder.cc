// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/jpeg/cuda_jpeg_decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "base/deadline.h"
#include "device/cuda/plugin/cuda_check.h"
#include "device/cuda/plugin/nvtx_range.h"

namespace photovec::device {
namespace {

// Between the passes a photo has its own height (or width) and the model's width; 50 million pixels in a 4:3
// photo need 6 MB. Tables of a 12 megapixel photo take 120 KB.
constexpr size_t kBetweenBytesPerJob = size_t{2} << 20;
constexpr size_t kTableBytesPerJob = size_t{256} << 10;
constexpr int kMostCrop = 384;
constexpr size_t kOutBytes = size_t{kMostCrop} * kMostCrop * 3;
// Between two questions whether a batch is done: a sixteenth of what it has taken so far.
constexpr auto kLeastNap = std::chrono::microseconds(50);
constexpr auto kMostNap = std::chrono::milliseconds(1);
constexpr auto kMostCounted = std::chrono::milliseconds(100);

template <typename T>
size_t BytesOf(const std::vector<T>& values) {
  return values.size() * sizeof(T);
}

size_t TableBytes(const preprocess::TapTable& table) {
  return DeviceArena::Rounded(BytesOf(table.taps)) + DeviceArena::Rounded(BytesOf(table.coefs));
}

// What a hanging decoder held, until the process ends.
void KeepForever(std::unique_ptr<NvJpegDecoder> decoder, DeviceArena arena) {
  static std::mutex mutex;
  static auto& kept = *new std::vector<std::pair<std::unique_ptr<NvJpegDecoder>, DeviceArena>>;
  const std::scoped_lock lock(mutex);
  kept.emplace_back(std::move(decoder), std::move(arena));
}

}  // namespace

Result<std::unique_ptr<CudaJpegDecoder>> CudaJpegDecoder::Create(const NvJpegLibrary& library, int device,
                                                                 const JpegDecoderOptions& options) {
  std::unique_ptr<CudaJpegDecoder> made(new CudaJpegDecoder(device, options));
  RETURN_IF_ERROR(made->Prepare(library));
  return made;
}

CudaJpegDecoder::CudaJpegDecoder(int device, const JpegDecoderOptions& options)
    : device_(device), options_(options) {}

CudaJpegDecoder::~CudaJpegDecoder() {
  if (!usable()) {  // to free anything would wait for what hangs
    KeepForever(std::move(decoder_), std::move(arena_));
    return;
  }
  (void)cudaSetDevice(device_);
  if (stream_ != nullptr) (void)cudaStreamSynchronize(stream_);
  decoder_.reset();
  for (uint8_t* pinned : {tables_host_, out_host_}) {
    if (pinned != nullptr) (void)cudaFreeHost(pinned);
  }
  for (const cudaEvent_t event : {begin_, decoded_, end_}) {
    if (event != nullptr) (void)cudaEventDestroy(event);
  }
  if (stream_ != nullptr) (void)cudaStreamDestroy(stream_);
}

JpegDecoderCounts CudaJpegDecoder::counts() const {
  JpegDecoderCounts counts = counts_;
  counts.allocations = decoder_->allocations();
  return counts;
}

Status CudaJpegDecoder::Prepare(const NvJpegLibrary& library) {
  CUDA_OK(cudaSetDevice(device_));
  CUDA_OK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  CUDA_OK(cudaEventCreate(&begin_));
  CUDA_OK(cudaEventCreate(&decoded_));
  CUDA_OK(cudaEventCreate(&end_));
  const NvJpegDecoder::Options wanted{options_.hardware, options_.interpolate_chroma, options_.most_jobs,
                                      device_};
  ASSIGN_OR_RETURN(decoder_, NvJpegDecoder::Create(library, wanted, stream_));
  const auto jobs = static_cast<size_t>(options_.most_jobs);
  const size_t table_bytes = jobs * kTableBytesPerJob;
  const size_t image_bytes = DeviceArena::Rounded(jobs * sizeof(ResizeImage));
  const size_t pixel_bytes = 3 * static_cast<size_t>(options_.most_pixels);
  ASSIGN_OR_RETURN(arena_, DeviceArena::Create(DeviceArena::Rounded(pixel_bytes) +
                                               jobs * kBetweenBytesPerJob + jobs * kOutBytes + image_bytes +
                                               table_bytes + 4 * DeviceArena::kAlignment));
  pixels_ = arena_.Take<uint8_t>(pixel_bytes);
  between_ = arena_.Take<uint8_t>(jobs * kBetweenBytesPerJob);
  out_ = arena_.Take<uint8_t>(jobs * kOutBytes);
  tables_ = arena_.Take<uint8_t>(image_bytes + table_bytes);
  if (tables_ == nullptr) return {Code::kInternal, "the arena of a JPEG decoder was made too small"};
  CUDA_OK(cudaHostAlloc(reinterpret_cast<void**>(&tables_host_), image_bytes + table_bytes,
                        cudaHostAllocDefault));
  CUDA_OK(cudaHostAlloc(reinterpret_cast<void**>(&out_host_), jobs * kOutBytes, cudaHostAllocDefault));
  images_ = reinterpret_cast<ResizeImage*>(tables_);
  images_host_ = reinterpret_cast<ResizeImage*>(tables_host_);
  return Status::Ok();
}

// Moves `after` behind the job when there is room for it.
bool CudaJpegDecoder::Fits(const JpegJob& job, Cursor& after) const {
  Cursor next = after;
  next.pixels += DeviceArena::Rounded(3 * static_cast<size_t>(job.width) * static_cast<size_t>(job.height));
  next.between +=
      DeviceArena::Rounded(3 * job.x->taps.size() * static_cast<size_t>(job.y->end_in - job.y->first_in));
  next.tables += TableBytes(*job.x) + TableBytes(*job.y);
  next.out += DeviceArena::Rounded(job.out.size());
  const auto jobs = static_cast<size_t>(options_.most_jobs);
  if (job.x->end_in - job.x->first_in > kMostLine) return false;
  if (next.pixels > 3 * static_cast<size_t>(options_.most_pixels) ||
      next.between > jobs * kBetweenBytesPerJob || next.tables > jobs * kTableBytesPerJob ||
      next.out > jobs * kOutBytes) {
    return false;
  }
  after = next;
  return true;
}

DeviceAxis CudaJpegDecoder::PlaceAxis(const preprocess::TapTable& table, int pad, size_t& tables) {
  const size_t header = DeviceArena::Rounded(static_cast<size_t>(options_.most_jobs) * sizeof(ResizeImage));
  const auto place = [&](const void* from, size_t bytes) {
    const size_t at = header + tables;
    std::memcpy(tables_host_ + at, from, bytes);
    tables += DeviceArena::Rounded(bytes);
    return tables_ + at;
  };
  DeviceAxis placed;
  placed.taps = reinterpret_cast<const preprocess::Tap*>(place(table.taps.data(), BytesOf(table.taps)));
  placed.coefs = reinterpret_cast<const int32_t*>(place(table.coefs.data(), BytesOf(table.coefs)));
  placed.count = static_cast<int>(table.taps.size());
  placed.first_in = table.first_in;
  placed.end_in = table.end_in;
  placed.pad = pad;
  return placed;
}

void CudaJpegDecoder::Place(const JpegJob& job, const Cursor& at, ResizeImage& image) {
  image.pixels = pixels_ + at.pixels;
  image.width = job.width;
  image.height = job.height;
  image.transposed = job.plan->transposed;
  size_t tables = at.tables;
  image.x = PlaceAxis(*job.x, job.plan->x.pad, tables);
  image.y = PlaceAxis(*job.y, job.plan->y.pad, tables);
  image.between = between_ + at.between;
  image.out = out_ + at.out;
  image.crop = job.crop;
}

size_t CudaJpegDecoder::Run(std::span<JpegJob* const> jobs) {
  if (!usable()) {
    for (JpegJob* job : jobs) job->status = {Code::kDeviceFailed, "this JPEG decoder of the GPU hangs"};
    return jobs.size();
  }
  const NvtxRange range("decode JPEGs");
  Cursor at;
  size_t count = 0;
  while (count < jobs.size() && count < static_cast<size_t>(options_.most_jobs)) {
    Cursor after = at;
    if (!Fits(*jobs[count], after)) break;
    Place(*jobs[count], at, images_host_[count]);
    jobs[count]->status = Status::Ok();
    at = after;
    ++count;
  }
  if (count == 0) {
    jobs[0]->status = {Code::kNotImplemented, "a photo of " + std::to_string(jobs[0]->width) + "x" +
                                                  std::to_string(jobs[0]->height) +
                                                  " exceeds the GPU decoder's buffers"};
    return 1;
  }
  used_ = at;
  const std::span<JpegJob* const> batch = jobs.first(count);
  const Status status = DecodeAndResize(batch);
  if (!status.ok()) {
    if (usable()) (void)Wait();  // what was queued still reads what is the caller's
    for (JpegJob* job : batch) job->status = status;
  }
  return count;
}

Status CudaJpegDecoder::DecodeAndResize(std::span<JpegJob* const> jobs) {
  const TimePoint started = Clock::now();
  CUDA_OK(cudaSetDevice(device_));
  CUDA_OK(cudaEventRecord(begin_, stream_));
  RETURN_IF_ERROR(StartDecoding(jobs));
  const int64_t submit_us = MicrosBetween(started, Clock::now());
  CUDA_OK(cudaEventRecord(decoded_, stream_));
  RETURN_IF_ERROR(StartResizing(jobs));
  RETURN_IF_ERROR(Wait());
  float decode_ms = 0;
  float resize_ms = 0;
  CUDA_OK(cudaEventElapsedTime(&decode_ms, begin_, decoded_));
  CUDA_OK(cudaEventElapsedTime(&resize_ms, decoded_, end_));
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (!jobs[i]->status.ok()) continue;
    std::memcpy(jobs[i]->out.data(), out_host_ + (images_host_[i].out - out_), jobs[i]->out.size());
  }
  ++counts_.batches;
  counts_.photos += static_cast<int64_t>(jobs.size());
  counts_.submit_us += submit_us;
  // begin_ was reached at once: the stream was idle.
  counts_.decode_us += std::max<int64_t>(0, std::lround(decode_ms * 1e3F) - submit_us);
  counts_.resize_us += std::lround(resize_ms * 1e3F);
  return Status::Ok();
}

Status CudaJpegDecoder::StartDecoding(std::span<JpegJob* const> jobs) {
  which_.clear();
  photos_.clear();
  for (size_t i = 0; i < jobs.size(); ++i) {
    JpegJob& job = *jobs[i];
    auto* to = const_cast<uint8_t*>(images_host_[i].pixels);
    if (job.encoded.empty()) {
      CUDA_OK(cudaMemcpyAsync(to, job.pixels.data(), job.pixels.size(), cudaMemcpyHostToDevice, stream_));
      continue;
    }
    const NvJpegPhoto photo{job.encoded, job.width, job.height, to};
    if (!decoder_->Takes(photo)) {
      job.status = {Code::kNotImplemented, "nvJPEG does not take this JPEG"};
      continue;
    }
    which_.push_back(i);
    photos_.push_back(photo);
  }
  if (photos_.empty() || decoder_->Start(photos_)) return Status::Ok();
  return DecodeInHalves(jobs, 0, photos_.size());
}

// One of photos_[first, end) is at fault.
Status CudaJpegDecoder::DecodeInHalves(std::span<JpegJob* const> jobs, size_t first, size_t end) {
  RETURN_IF_ERROR(Wait());
  if (end - first == 1) {
    jobs[which_[first]]->status = {Code::kNotImplemented, "nvJPEG failed on this JPEG"};
    return Status::Ok();
  }
  const size_t middle = first + (end - first) / 2;
  for (const auto& [from, to] : {std::pair(first, middle), std::pair(middle, end)}) {
    if (decoder_->Start(std::span(photos_).subspan(from, to - from))) {
      RETURN_IF_ERROR(Wait());
    } else {
      RETURN_IF_ERROR(DecodeInHalves(jobs, from, to));
    }
  }
  return Status::Ok();
}

Status CudaJpegDecoder::Wait() {
  CUDA_OK(cudaEventRecord(end_, stream_));
  TimePoint asked = Clock::now();
  Clock::duration waited{};
  for (;;) {
    // No pause counts for more than kMostCounted: a process that was stopped must not take that for a hang.
    const TimePoint now = Clock::now();
    waited += std::min<Clock::duration>(now - asked, kMostCounted);
    asked = now;
    const cudaError_t done = cudaEventQuery(end_);
    if (done == cudaSuccess) break;
    if (done != cudaErrorNotReady) return CudaStatus(done, "cudaEventQuery");
    if (waited > options_.patience) {
      hangs_.store(true, std::memory_order_release);
      return {Code::kDeviceFailed, "a JPEG decoder of the GPU hangs: a batch has taken " +
                                       std::to_string(options_.patience.count()) + " ms"};
    }
    std::this_thread::sleep_for(std::clamp<Clock::duration>(waited / 16, kLeastNap, kMostNap));
  }
  decoder_->Settle();
  return Status::Ok();
}

Status CudaJpegDecoder::StartResizing(std::span<JpegJob* const> jobs) {
  const size_t header = DeviceArena::Rounded(static_cast<size_t>(options_.most_jobs) * sizeof(ResizeImage));
  CUDA_OK(cudaMemcpyAsync(tables_, tables_host_, header + used_.tables, cudaMemcpyHostToDevice, stream_));
  int most_between = 0;
  int most_out = 0;
  int most_line = 0;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const ResizeImage& image = images_host_[i];
    most_between = std::max(most_between, image.y.end_in - image.y.first_in);
    most_out = std::max(most_out, image.y.count);
    most_line = std::max(most_line, image.x.end_in - image.x.first_in);
    if (image.x.count < image.crop || image.y.count < image.crop) {
      CUDA_OK(cudaMemsetAsync(image.out, 0, jobs[i]->out.size(), stream_));
    }
  }
  CUDA_OK(Resize(images_, static_cast<int>(jobs.size()), most_between, most_out, most_line, stream_));
  CUDA_OK(cudaMemcpyAsync(out_host_, out_, used_.out, cudaMemcpyDeviceToHost, stream_));
  return Status::Ok();
}

}  // namespace photovec::device
