// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/jpeg/cuda_jpeg_lane.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "base/deadline.h"
#include "device/cuda/plugin/cuda_check.h"
#include "device/cuda/plugin/ranges.h"

namespace photovec::device {
namespace {

// Between the passes a photo has its own height (or width) and the model's width; 50 million pixels in a 4:3
// photo need 6 MB. Tables of a 12 megapixel photo take 120 KB.
constexpr size_t kBetweenBytesPerTask = size_t{2} << 20;
constexpr size_t kTableBytesPerTask = size_t{256} << 10;
constexpr int kMostCrop = 384;
constexpr size_t kOutBytes = size_t{kMostCrop} * kMostCrop * 3;
// Between two questions whether a batch is done: a sixteenth of what it has taken so far.
constexpr auto kLeastNap = std::chrono::microseconds(50);
constexpr auto kMostNap = std::chrono::milliseconds(1);
constexpr auto kMostCounted = std::chrono::milliseconds(100);

size_t TableBytes(const ResizeAxis& axis) {
  return DeviceArena::Rounded(axis.taps.size_bytes()) + DeviceArena::Rounded(axis.coefs.size_bytes());
}

// What a hanging lane held, until the process ends.
void KeepForever(std::unique_ptr<NvJpegDecoder> decoder, DeviceArena arena) {
  static std::mutex mutex;
  static auto& kept = *new std::vector<std::pair<std::unique_ptr<NvJpegDecoder>, DeviceArena>>;
  const std::scoped_lock lock(mutex);
  kept.emplace_back(std::move(decoder), std::move(arena));
}

}  // namespace

Result<std::unique_ptr<CudaJpegLane>> CudaJpegLane::Create(const NvJpegLibrary& library, int device,
                                                           const JpegLaneOptions& options) {
  std::unique_ptr<CudaJpegLane> lane(new CudaJpegLane(device, options));
  RETURN_IF_ERROR(lane->Prepare(library));
  return lane;
}

CudaJpegLane::CudaJpegLane(int device, const JpegLaneOptions& options) : device_(device), options_(options) {}

CudaJpegLane::~CudaJpegLane() {
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

JpegLaneCounts CudaJpegLane::counts() const {
  JpegLaneCounts counts = counts_;
  counts.allocations = decoder_->allocations();
  return counts;
}

Status CudaJpegLane::Prepare(const NvJpegLibrary& library) {
  CUDA_OK(cudaSetDevice(device_));
  CUDA_OK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  CUDA_OK(cudaEventCreate(&begin_));
  CUDA_OK(cudaEventCreate(&decoded_));
  CUDA_OK(cudaEventCreate(&end_));
  const NvJpegDecoder::Options wanted{options_.hardware, options_.interpolate_chroma, options_.most_tasks,
                                      device_};
  ASSIGN_OR_RETURN(decoder_, NvJpegDecoder::Create(library, wanted, stream_));
  const auto tasks = static_cast<size_t>(options_.most_tasks);
  const size_t table_bytes = tasks * kTableBytesPerTask;
  const size_t image_bytes = DeviceArena::Rounded(tasks * sizeof(ResizeImage));
  const size_t pixel_bytes = 3 * static_cast<size_t>(options_.most_pixels);
  ASSIGN_OR_RETURN(arena_, DeviceArena::Create(DeviceArena::Rounded(pixel_bytes) +
                                               tasks * kBetweenBytesPerTask + tasks * kOutBytes +
                                               image_bytes + table_bytes + 4 * DeviceArena::kAlignment));
  pixels_ = arena_.Take<uint8_t>(pixel_bytes);
  between_ = arena_.Take<uint8_t>(tasks * kBetweenBytesPerTask);
  out_ = arena_.Take<uint8_t>(tasks * kOutBytes);
  tables_ = arena_.Take<uint8_t>(image_bytes + table_bytes);
  if (tables_ == nullptr) return {Code::kInternal, "the arena of a JPEG lane was made too small"};
  CUDA_OK(cudaHostAlloc(reinterpret_cast<void**>(&tables_host_), image_bytes + table_bytes,
                        cudaHostAllocDefault));
  CUDA_OK(cudaHostAlloc(reinterpret_cast<void**>(&out_host_), tasks * kOutBytes, cudaHostAllocDefault));
  images_ = reinterpret_cast<ResizeImage*>(tables_);
  images_host_ = reinterpret_cast<ResizeImage*>(tables_host_);
  return Status::Ok();
}

// Moves `after` behind the task when there is room for it.
bool CudaJpegLane::Fits(const JpegTask& task, Cursor& after) const {
  Cursor next = after;
  next.pixels += DeviceArena::Rounded(3 * static_cast<size_t>(task.width) * static_cast<size_t>(task.height));
  next.between +=
      DeviceArena::Rounded(3 * task.x.taps.size() * static_cast<size_t>(task.y.end_in - task.y.first_in));
  next.tables += TableBytes(task.x) + TableBytes(task.y);
  next.out += DeviceArena::Rounded(task.out.size());
  const auto tasks = static_cast<size_t>(options_.most_tasks);
  if (task.x.end_in - task.x.first_in > kMostLine) return false;
  if (next.pixels > 3 * static_cast<size_t>(options_.most_pixels) ||
      next.between > tasks * kBetweenBytesPerTask || next.tables > tasks * kTableBytesPerTask ||
      next.out > tasks * kOutBytes) {
    return false;
  }
  after = next;
  return true;
}

DeviceAxis CudaJpegLane::PlaceAxis(const ResizeAxis& axis, size_t& tables) {
  const size_t header = DeviceArena::Rounded(static_cast<size_t>(options_.most_tasks) * sizeof(ResizeImage));
  const auto place = [&](const void* from, size_t bytes) {
    const size_t at = header + tables;
    std::memcpy(tables_host_ + at, from, bytes);
    tables += DeviceArena::Rounded(bytes);
    return tables_ + at;
  };
  DeviceAxis placed;
  placed.taps = reinterpret_cast<const ResizeTap*>(place(axis.taps.data(), axis.taps.size_bytes()));
  placed.coefs = reinterpret_cast<const int32_t*>(place(axis.coefs.data(), axis.coefs.size_bytes()));
  placed.count = static_cast<int>(axis.taps.size());
  placed.first_in = axis.first_in;
  placed.end_in = axis.end_in;
  placed.pad = axis.pad;
  return placed;
}

void CudaJpegLane::Place(const JpegTask& task, const Cursor& at, ResizeImage& image) {
  image.pixels = pixels_ + at.pixels;
  image.width = task.width;
  image.height = task.height;
  image.transposed = task.transposed;
  size_t tables = at.tables;
  image.x = PlaceAxis(task.x, tables);
  image.y = PlaceAxis(task.y, tables);
  image.between = between_ + at.between;
  image.out = out_ + at.out;
  image.crop = task.crop;
}

size_t CudaJpegLane::Run(std::span<JpegTask* const> tasks) {
  if (!usable()) {
    for (JpegTask* task : tasks) task->status = {Code::kDeviceFailed, "this JPEG decoder of the GPU hangs"};
    return tasks.size();
  }
  const Range range("decode JPEGs");
  Cursor at;
  size_t count = 0;
  while (count < tasks.size() && count < static_cast<size_t>(options_.most_tasks)) {
    Cursor after = at;
    if (!Fits(*tasks[count], after)) break;
    Place(*tasks[count], at, images_host_[count]);
    tasks[count]->status = Status::Ok();
    at = after;
    ++count;
  }
  if (count == 0) {
    tasks[0]->status = {Code::kNotImplemented, "a photo of " + std::to_string(tasks[0]->width) + "x" +
                                                   std::to_string(tasks[0]->height) +
                                                   " exceeds the GPU decoder's buffers"};
    return 1;
  }
  used_ = at;
  const std::span<JpegTask* const> batch = tasks.first(count);
  const Status status = DecodeAndResize(batch);
  if (!status.ok()) {
    if (usable()) (void)Wait();  // what was queued still reads what is the caller's
    for (JpegTask* task : batch) task->status = status;
  }
  return count;
}

Status CudaJpegLane::DecodeAndResize(std::span<JpegTask* const> tasks) {
  const TimePoint started = Clock::now();
  CUDA_OK(cudaSetDevice(device_));
  CUDA_OK(cudaEventRecord(begin_, stream_));
  RETURN_IF_ERROR(StartDecoding(tasks));
  const int64_t submit_us = MicrosBetween(started, Clock::now());
  CUDA_OK(cudaEventRecord(decoded_, stream_));
  RETURN_IF_ERROR(StartResizing(tasks));
  RETURN_IF_ERROR(Wait());
  float decode_ms = 0;
  float resize_ms = 0;
  CUDA_OK(cudaEventElapsedTime(&decode_ms, begin_, decoded_));
  CUDA_OK(cudaEventElapsedTime(&resize_ms, decoded_, end_));
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (!tasks[i]->status.ok()) continue;
    std::memcpy(tasks[i]->out.data(), out_host_ + (images_host_[i].out - out_), tasks[i]->out.size());
  }
  ++counts_.batches;
  counts_.photos += static_cast<int64_t>(tasks.size());
  counts_.submit_us += submit_us;
  // begin_ was reached at once: the stream was idle.
  counts_.decode_us += std::max<int64_t>(0, std::lround(decode_ms * 1e3F) - submit_us);
  counts_.resize_us += std::lround(resize_ms * 1e3F);
  return Status::Ok();
}

Status CudaJpegLane::StartDecoding(std::span<JpegTask* const> tasks) {
  which_.clear();
  photos_.clear();
  for (size_t i = 0; i < tasks.size(); ++i) {
    JpegTask& task = *tasks[i];
    auto* to = const_cast<uint8_t*>(images_host_[i].pixels);
    if (task.encoded.empty()) {
      CUDA_OK(cudaMemcpyAsync(to, task.pixels.data(), task.pixels.size(), cudaMemcpyHostToDevice, stream_));
      continue;
    }
    const NvJpegPhoto photo{task.encoded, task.width, task.height, to};
    if (!decoder_->Takes(photo)) {
      task.status = {Code::kNotImplemented, "nvJPEG does not take this JPEG"};
      continue;
    }
    which_.push_back(i);
    photos_.push_back(photo);
  }
  if (photos_.empty() || decoder_->Start(photos_)) return Status::Ok();
  return DecodeInHalves(tasks, 0, photos_.size());
}

// One of photos_[first, end) is at fault.
Status CudaJpegLane::DecodeInHalves(std::span<JpegTask* const> tasks, size_t first, size_t end) {
  RETURN_IF_ERROR(Wait());
  if (end - first == 1) {
    tasks[which_[first]]->status = {Code::kNotImplemented, "nvJPEG failed on this JPEG"};
    return Status::Ok();
  }
  const size_t middle = first + (end - first) / 2;
  for (const auto& [from, to] : {std::pair(first, middle), std::pair(middle, end)}) {
    if (decoder_->Start(std::span(photos_).subspan(from, to - from))) {
      RETURN_IF_ERROR(Wait());
    } else {
      RETURN_IF_ERROR(DecodeInHalves(tasks, from, to));
    }
  }
  return Status::Ok();
}

Status CudaJpegLane::Wait() {
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

Status CudaJpegLane::StartResizing(std::span<JpegTask* const> tasks) {
  const size_t header = DeviceArena::Rounded(static_cast<size_t>(options_.most_tasks) * sizeof(ResizeImage));
  CUDA_OK(cudaMemcpyAsync(tables_, tables_host_, header + used_.tables, cudaMemcpyHostToDevice, stream_));
  int most_between = 0;
  int most_out = 0;
  int most_line = 0;
  for (size_t i = 0; i < tasks.size(); ++i) {
    const ResizeImage& image = images_host_[i];
    most_between = std::max(most_between, image.y.end_in - image.y.first_in);
    most_out = std::max(most_out, image.y.count);
    most_line = std::max(most_line, image.x.end_in - image.x.first_in);
    if (image.x.count < image.crop || image.y.count < image.crop) {
      CUDA_OK(cudaMemsetAsync(image.out, 0, tasks[i]->out.size(), stream_));
    }
  }
  CUDA_OK(Resize(images_, static_cast<int>(tasks.size()), most_between, most_out, most_line, stream_));
  CUDA_OK(cudaMemcpyAsync(out_host_, out_, used_.out, cudaMemcpyDeviceToHost, stream_));
  return Status::Ok();
}

}  // namespace photovec::device
