// SPDX-License-Identifier: MIT
#include "encode/cuda/plugin/cuda_jpeg_lane.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "encode/cuda/plugin/cuda_check.h"
#include "encode/cuda/plugin/ranges.h"

namespace photovec::encode::cuda {
namespace {

// Between the passes a photo has its own height (or width) and the model's width; 50 million pixels in a 4:3
// photo need 6 MB. Tables of a 12 megapixel photo take 120 KB.
constexpr size_t kBetweenBytesPerTask = size_t{2} << 20;
constexpr size_t kTableBytesPerTask = size_t{256} << 10;
constexpr int kMostCrop = 384;
constexpr size_t kOutBytes = size_t{kMostCrop} * kMostCrop * 3;

size_t TableBytes(const ResizeAxis& axis) {
  return DeviceArena::Rounded(axis.taps.size_bytes()) + DeviceArena::Rounded(axis.coefs.size_bytes());
}

}  // namespace

Result<std::unique_ptr<CudaJpegLane>> CudaJpegLane::Create(int device, const JpegLaneOptions& options) {
  ASSIGN_OR_RETURN(const NvJpegLibrary* library, NvJpegLibrary::Get());
  std::unique_ptr<CudaJpegLane> lane(new CudaJpegLane(*library, device, options));
  RETURN_IF_ERROR(lane->Prepare(options.hardware));
  return lane;
}

CudaJpegLane::CudaJpegLane(const NvJpegLibrary& library, int device, const JpegLaneOptions& options)
    : library_(library), device_(device), options_(options) {}

CudaJpegLane::~CudaJpegLane() {
  (void)cudaSetDevice(device_);
  if (stream_ != nullptr) (void)cudaStreamSynchronize(stream_);
  if (state_ != nullptr) (void)library_.state_destroy(state_);
  if (handle_ != nullptr) (void)library_.destroy(handle_);
  for (uint8_t* pinned : {tables_host_, out_host_}) {
    if (pinned != nullptr) (void)cudaFreeHost(pinned);
  }
  if (stream_ != nullptr) (void)cudaStreamDestroy(stream_);
}

Status CudaJpegLane::Prepare(bool hardware) {
  CUDA_OK(cudaSetDevice(device_));
  const int backend = hardware ? NvJpegLibrary::kHardware : NvJpegLibrary::kGpuHybrid;
  // libjpeg interpolates chroma too; where nvJPEG cannot, edges of colours differ by some levels.
  int created = library_.create(backend, nullptr, nullptr, NvJpegLibrary::kInterpolatedUpsampling, &handle_);
  bool interpolated = true;
  if (created != NvJpegLibrary::kSuccess) {
    interpolated = false;
    created = library_.create(backend, nullptr, nullptr, NvJpegLibrary::kNone, &handle_);
  }
  if (created != NvJpegLibrary::kSuccess ||
      library_.state_create(handle_, &state_) != NvJpegLibrary::kSuccess) {
    return {Code::kUnavailable, std::string("nvJPEG ") + library_.version + " cannot use " +
                                    (hardware ? "JPEG engines of this GPU" : "this GPU") + " (status " +
                                    std::to_string(created) + ")"};
  }
  detail_ = "nvJPEG " + library_.version + (hardware ? ", hardware engines" : ", CUDA") +
            (interpolated ? "" : ", chroma not interpolated");
  CUDA_OK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
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
  Status status = CudaStatus(cudaSetDevice(device_), "cudaSetDevice");
  if (status.ok()) status = DecodePixels(batch);
  if (status.ok()) status = ResizeAndCopy(batch);
  if (!status.ok()) {
    for (JpegTask* task : batch) task->status = status;
  }
  return count;
}

Status CudaJpegLane::DecodePixels(std::span<JpegTask* const> tasks) {
  which_.clear();
  for (size_t i = 0; i < tasks.size(); ++i) {
    JpegTask& task = *tasks[i];
    auto* to = const_cast<uint8_t*>(images_host_[i].pixels);
    if (task.encoded.empty()) {
      CUDA_OK(cudaMemcpyAsync(to, task.pixels.data(), task.pixels.size(), cudaMemcpyHostToDevice, stream_));
      continue;
    }
    int components = 0;
    int subsampling = 0;
    int widths[4] = {};
    int heights[4] = {};
    const int info = library_.image_info(handle_, task.encoded.data(), task.encoded.size(), &components,
                                         &subsampling, widths, heights);
    // What it reads from the header must be what the caller made room for.
    if (info != NvJpegLibrary::kSuccess || (components != 1 && components != 3) || widths[0] != task.width ||
        heights[0] != task.height) {
      task.status = {Code::kNotImplemented, "nvJPEG does not take this JPEG"};
      continue;
    }
    which_.push_back(i);
  }
  if (which_.empty() || DecodeTogether(tasks, which_)) return Status::Ok();
  // One of them is at fault: each by itself.
  for (const size_t& i : which_) {
    if (!DecodeTogether(tasks, {&i, 1}))
      tasks[i]->status = {Code::kNotImplemented, "nvJPEG failed on this JPEG"};
  }
  return CudaStatus(cudaPeekAtLastError(), "nvJPEG");
}

bool CudaJpegLane::DecodeTogether(std::span<JpegTask* const> tasks, std::span<const size_t> which) {
  data_.clear();
  lengths_.clear();
  destinations_.clear();
  for (const size_t i : which) {
    data_.push_back(tasks[i]->encoded.data());
    lengths_.push_back(tasks[i]->encoded.size());
    NvJpegLibrary::Image image;
    image.channel[0] = const_cast<uint8_t*>(images_host_[i].pixels);
    image.pitch[0] = static_cast<size_t>(tasks[i]->width) * 3;
    destinations_.push_back(image);
  }
  const int count = static_cast<int>(which.size());
  return library_.batch_initialize(handle_, state_, count, 1, NvJpegLibrary::kInterleavedRgb) ==
             NvJpegLibrary::kSuccess &&
         library_.batch_decode(handle_, state_, data_.data(), lengths_.data(), destinations_.data(),
                               stream_) == NvJpegLibrary::kSuccess &&
         cudaStreamSynchronize(stream_) == cudaSuccess;
}

Status CudaJpegLane::ResizeAndCopy(std::span<JpegTask* const> tasks) {
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
  CUDA_OK(cudaStreamSynchronize(stream_));
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (!tasks[i]->status.ok()) continue;
    std::memcpy(tasks[i]->out.data(), out_host_ + (images_host_[i].out - out_), tasks[i]->out.size());
  }
  return Status::Ok();
}

}  // namespace photovec::encode::cuda
