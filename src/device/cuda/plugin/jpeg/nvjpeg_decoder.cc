// SPDX-License-Identifier: MIT
#include "device/cuda/plugin/jpeg/nvjpeg_decoder.h"

#include <new>
#include <utility>

namespace photovec::device {
namespace {

// What nvJPEG keeps though it was not needed lately: that of some batches of 2-megapixel photos.
constexpr size_t kMostIdleDevice = size_t{1} << 30;
constexpr size_t kMostIdlePinned = size_t{128} << 20;
// What the engines' buffers are made for at the start; they grow with larger photos.
constexpr int kUsualWidth = 1632;
constexpr int kUsualHeight = 1224;

int Take(void* pool, void** block, size_t bytes, cudaStream_t /*stream*/) {
  try {
    *block = static_cast<ReusePool*>(pool)->Allocate(bytes);
  } catch (const std::bad_alloc&) {  // of the pool's own books; not through a C library
    *block = nullptr;
  }
  return *block != nullptr ? 0 : 1;
}
int Leave(void* pool, void* block, size_t /*bytes*/, cudaStream_t /*stream*/) {
  return block == nullptr || static_cast<ReusePool*>(pool)->Free(block) ? 0 : 1;
}

// An allocation that fails is no error of the context's: nvJPEG reports it, and no later call is to.
bool Succeeded(cudaError_t error) {
  if (error != cudaSuccess) (void)cudaGetLastError();
  return error == cudaSuccess;
}
// The device is made current, lest nvJPEG asks on a thread of its own.
ReusePool::Backing DeviceBacking(int device) {
  return {[device](size_t bytes) {
            void* block = nullptr;
            return Succeeded(cudaSetDevice(device)) && Succeeded(cudaMalloc(&block, bytes)) ? block : nullptr;
          },
          [](void* block) { (void)Succeeded(cudaFree(block)); }};
}
ReusePool::Backing PinnedBacking(int device) {
  return {[device](size_t bytes) {
            void* block = nullptr;
            return Succeeded(cudaSetDevice(device)) &&
                           Succeeded(cudaHostAlloc(&block, bytes, cudaHostAllocDefault))
                       ? block
                       : nullptr;
          },
          [](void* block) { (void)Succeeded(cudaFreeHost(block)); }};
}

}  // namespace

Result<std::unique_ptr<NvJpegDecoder>> NvJpegDecoder::Create(const NvJpegLibrary& library,
                                                             const Options& options, cudaStream_t stream) {
  std::unique_ptr<NvJpegDecoder> decoder(new NvJpegDecoder(library, options, stream));
  RETURN_IF_ERROR(decoder->Prepare());
  return decoder;
}

NvJpegDecoder::NvJpegDecoder(const NvJpegLibrary& library, const Options& options, cudaStream_t stream)
    : library_(library),
      options_(options),
      stream_(stream),
      device_memory_(DeviceBacking(options.device), kMostIdleDevice),
      pinned_memory_(PinnedBacking(options.device), kMostIdlePinned),
      device_allocator_{Take, Leave, &device_memory_},
      pinned_allocator_{Take, Leave, &pinned_memory_} {}

NvJpegDecoder::~NvJpegDecoder() {
  if (state_ != nullptr) (void)library_.state_destroy(state_);
  if (handle_ != nullptr) (void)library_.destroy(handle_);
}

int NvJpegDecoder::Create(unsigned flags) {
  const int backend = options_.hardware ? NvJpegLibrary::kHardware : NvJpegLibrary::kGpuHybrid;
  return library_.create(backend, &device_allocator_, &pinned_allocator_, flags, &handle_);
}

Status NvJpegDecoder::Prepare() {
  // libjpeg interpolates chroma too; where nvJPEG cannot, edges of colours differ by some levels.
  bool interpolated = options_.interpolate_chroma;
  int status = Create(interpolated ? NvJpegLibrary::kInterpolatedUpsampling : NvJpegLibrary::kNone);
  if (status != NvJpegLibrary::kSuccess && interpolated) {
    interpolated = false;
    status = Create(NvJpegLibrary::kNone);
  }
  if (status == NvJpegLibrary::kSuccess) status = library_.state_create(handle_, &state_);
  if (status != NvJpegLibrary::kSuccess) {
    return {Code::kUnavailable, std::string("nvJPEG ") + library_.version + " cannot use " +
                                    (options_.hardware ? "JPEG engines of this GPU" : "this GPU") +
                                    " (status " + std::to_string(status) + ")"};
  }
  detail_ = "nvJPEG " + library_.version + ", ";
  if (options_.hardware) {
    unsigned engines = 0;
    unsigned cores = 0;
    if (library_.hardware_info(handle_, &engines, &cores) == NvJpegLibrary::kSuccess && engines * cores > 0)
      detail_ += std::to_string(engines * cores) + " ";
    detail_ += "hardware engines";
    // Turns on nvJPEG's own reuse of the engines' buffers, too (as nvImageCodec has it); no harm when
    // refused.
    (void)library_.batch_preallocate(handle_, state_, options_.most_photos, kUsualWidth, kUsualHeight,
                                     NvJpegLibrary::k444, NvJpegLibrary::kInterleavedRgb);
  } else {
    detail_ += "CUDA";
  }
  if (!interpolated) detail_ += ", chroma not interpolated";
  return Status::Ok();
}

bool NvJpegDecoder::Takes(const NvJpegPhoto& photo) const {
  int components = 0;
  int subsampling = 0;
  int widths[4] = {};
  int heights[4] = {};
  const int info = library_.image_info(handle_, photo.encoded.data(), photo.encoded.size(), &components,
                                       &subsampling, widths, heights);
  return info == NvJpegLibrary::kSuccess && (components == 1 || components == 3) &&
         widths[0] == photo.width && heights[0] == photo.height && subsampling >= 0 &&
         !(options_.hardware && (subsampling == NvJpegLibrary::k411 || subsampling == NvJpegLibrary::k410 ||
                                 subsampling == NvJpegLibrary::k410V));
}

bool NvJpegDecoder::Start(std::span<const NvJpegPhoto> photos) {
  data_.clear();
  lengths_.clear();
  destinations_.clear();
  for (const NvJpegPhoto& photo : photos) {
    data_.push_back(photo.encoded.data());
    lengths_.push_back(photo.encoded.size());
    NvJpegLibrary::Image image;
    image.channel[0] = photo.pixels;
    image.pitch[0] = static_cast<size_t>(photo.width) * 3;
    destinations_.push_back(image);
  }
  const int count = static_cast<int>(photos.size());
  // Only for another number of photos, or to mend what a failed batch left behind.
  if (count != prepared_for_) {
    prepared_for_ = 0;
    if (library_.batch_initialize(handle_, state_, count, 1, NvJpegLibrary::kInterleavedRgb) !=
        NvJpegLibrary::kSuccess) {
      return false;
    }
    prepared_for_ = count;
    Settle();  // what the set-up of before gave back; nothing is queued
  }
  if (library_.batch_decode(handle_, state_, data_.data(), lengths_.data(), destinations_.data(), stream_) !=
      NvJpegLibrary::kSuccess) {
    prepared_for_ = 0;
    return false;
  }
  return true;
}

void NvJpegDecoder::Settle() {
  device_memory_.Settle();
  pinned_memory_.Settle();
}

int64_t NvJpegDecoder::allocations() const {
  return device_memory_.counts().allocated + pinned_memory_.counts().allocated;
}

}  // namespace photovec::device
