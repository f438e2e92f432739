// SPDX-License-Identifier: MIT
#include "unit/cuda_plugin/fake_cudart.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/deadline.h"
#include "device/cuda/plugin/kernels/resize.h"

struct CUstream_st {
  std::deque<std::function<void()>> queue;
};
struct CUevent_st {
  cudaStream_t stream = nullptr;  // that it was recorded on
  photovec::TimePoint reached;
  int questions = 0;
};

namespace photovec::device {
namespace test {

FakeGpu& FakeGpu::Get() {
  static FakeGpu gpu;
  return gpu;
}

void FakeGpu::Queue(cudaStream_t stream, std::function<void()> work) {
  const auto capture = captures.find(stream);
  (capture != captures.end() ? static_cast<void>(capture->second.push_back(std::move(work)))
                             : static_cast<void>(stream->queue.push_back(std::move(work))));
}

size_t FakeGpu::pending() const {
  size_t count = 0;
  for (const cudaStream_t stream : streams) count += stream->queue.size();
  return count;
}

cudaError_t FakeGpu::Allocate(void** block, size_t wanted, bool pinned) {
  if (broken) return cudaErrorIllegalAddress;
  if (!pinned && bytes + wanted > most_bytes) return last_error = cudaErrorMemoryAllocation;
  *block = std::aligned_alloc(256, (wanted + 255) / 256 * 256);
  std::memset(*block, 0xA5, wanted);
  blocks[*block] = {wanted, pinned};
  if (!pinned) bytes += wanted;
  ++allocations;
  return cudaSuccess;
}

cudaError_t FakeGpu::Release(void* block, bool pinned) {
  if (hangs) ++frees_while_hanging;
  const auto found = blocks.find(block);
  if (found == blocks.end() || found->second.pinned != pinned) return cudaErrorInvalidValue;
  for (const cudaStream_t stream : streams) (void)WaitFor(stream);  // as cudaFree does
  if (!pinned) bytes -= found->second.bytes;
  blocks.erase(found);
  std::free(block);
  return cudaSuccess;
}

cudaError_t FakeGpu::WaitFor(cudaStream_t stream) {
  if (hangs) ++frees_while_hanging;  // would block
  if (stream != nullptr && !broken && !hangs) {
    while (!stream->queue.empty()) {
      stream->queue.front()();
      stream->queue.pop_front();
    }
  }
  return broken ? cudaErrorIllegalAddress : cudaSuccess;
}

bool FakeGpu::pinned(const void* at) const {
  auto next = blocks.upper_bound(const_cast<void*>(at));
  if (next == blocks.begin()) return false;
  --next;
  const auto offset =
      static_cast<size_t>(static_cast<const char*>(at) - static_cast<const char*>(next->first));
  return offset < next->second.bytes;
}

}  // namespace test

namespace {

// The kernel's sums in plain C++: pairs of neighbouring inputs, two digits a coefficient.
uint8_t Sum(const preprocess::Tap& tap, const int32_t* coefs, int inputs,
            const std::function<int(int)>& value) {
  int64_t sum = int64_t{1} << 21;
  for (int i = 0; i < 2 * tap.pairs; ++i) {
    const int at = 2 * tap.first_pair + i;
    if (at >= inputs) continue;
    const int shift = i % 2 == 0 ? 0 : 16;
    const size_t pair = tap.coefs + 2 * static_cast<size_t>(i / 2);
    const auto high = static_cast<int16_t>(static_cast<uint32_t>(coefs[pair]) >> shift);
    const auto low = static_cast<int16_t>(static_cast<uint32_t>(coefs[pair + 1]) >> shift);
    sum += (static_cast<int64_t>(high) * 2048 + low) * value(at);
  }
  const int64_t rounded = sum >> 22;
  return static_cast<uint8_t>(rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
}

void ResizeOne(const ResizeImage& image) {
  const int inputs_x = image.x.end_in - image.x.first_in;
  const int inputs_y = image.y.end_in - image.y.first_in;
  const int lanes = image.x.count * 3;
  for (int row = 0; row < inputs_y; ++row) {
    const int across = image.y.first_in + row;
    for (int lane = 0; lane < lanes; ++lane) {
      const preprocess::Tap& tap = image.x.taps[lane / 3];
      image.between[row * lanes + tap.out * 3 + lane % 3] = Sum(tap, image.x.coefs, inputs_x, [&](int at) {
        const int along = image.x.first_in + at;
        const int pixel = image.transposed ? along * image.width + across : across * image.width + along;
        return static_cast<int>(image.pixels[pixel * 3 + lane % 3]);
      });
    }
  }
  for (int i = 0; i < image.y.count; ++i) {
    const preprocess::Tap& tap = image.y.taps[i];
    uint8_t* to = image.out + ((image.y.pad + tap.out) * image.crop + image.x.pad) * 3;
    for (int lane = 0; lane < lanes; ++lane) {
      to[lane] = Sum(tap, image.y.coefs, inputs_y,
                     [&](int at) { return static_cast<int>(image.between[at * lanes + lane]); });
    }
  }
}

}  // namespace

cudaError_t Resize(const ResizeImage* images, int count, int /*most_between*/, int /*most_out*/,
                   int /*most_line*/, cudaStream_t stream) {
  test::FakeGpu::Get().Queue(stream, [images, count] {
    for (int i = 0; i < count; ++i) ResizeOne(images[i]);
  });
  return cudaGetLastError();  // as after a launch
}

}  // namespace photovec::device

using photovec::device::test::FakeGpu;

extern "C" {

cudaError_t cudaSetDevice(int /*device*/) {
  return FakeGpu::Get().broken ? cudaErrorIllegalAddress : cudaSuccess;
}
cudaError_t cudaGetLastError() {
  const cudaError_t last = std::exchange(FakeGpu::Get().last_error, cudaSuccess);
  return last != cudaSuccess ? last : cudaSetDevice(0);
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "fake: out of memory" : "fake: an illegal memory access";
}
const char* cudaGetErrorName(cudaError_t /*error*/) { return "cudaErrorFake"; }

cudaError_t cudaMalloc(void** block, size_t bytes) { return FakeGpu::Get().Allocate(block, bytes, false); }
cudaError_t cudaFree(void* block) { return FakeGpu::Get().Release(block, false); }
cudaError_t cudaHostAlloc(void** block, size_t bytes, unsigned /*flags*/) {
  return FakeGpu::Get().Allocate(block, bytes, true);
}
cudaError_t cudaFreeHost(void* block) { return FakeGpu::Get().Release(block, true); }

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  FakeGpu& gpu = FakeGpu::Get();
  if (gpu.broken) return cudaErrorIllegalAddress;
  const bool from_host = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDefault;
  if (from_host && !gpu.pinned(from)) {  // staged before the call returns
    std::string staged(static_cast<const char*>(from), bytes);
    gpu.Queue(stream, [to, staged = std::move(staged)] { std::memcpy(to, staged.data(), staged.size()); });
  } else {
    gpu.Queue(stream, [=] { std::memcpy(to, from, bytes); });
  }
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  FakeGpu& gpu = FakeGpu::Get();
  ++gpu.memsets;
  gpu.Queue(stream, [=] { std::memset(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned /*flags*/) {
  *stream = new CUstream_st;
  FakeGpu::Get().streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return FakeGpu::Get().WaitFor(stream); }
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  FakeGpu::Get().streams.erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned /*flags*/) {
  *event = new CUevent_st;
  FakeGpu::Get().events.insert(*event);
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  FakeGpu::Get().events.erase(event);
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  FakeGpu& gpu = FakeGpu::Get();
  if (gpu.broken) return cudaErrorIllegalAddress;
  event->stream = stream;
  gpu.Queue(stream, [event] { event->reached = photovec::Clock::now(); });
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  FakeGpu& gpu = FakeGpu::Get();
  if (gpu.hangs) return cudaErrorNotReady;
  if (event->questions++ < gpu.questions_before_done) return cudaErrorNotReady;
  event->questions = 0;
  if (gpu.waits_until_sticky >= 0 && gpu.waits_until_sticky-- == 0) gpu.broken = true;
  return gpu.WaitFor(event->stream);
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t begin, cudaEvent_t end) {
  *ms = static_cast<float>(photovec::MicrosBetween(begin->reached, end->reached)) / 1e3F;
  return cudaSuccess;
}

}  // extern "C"
