// SPDX-License-Identifier: MIT
#include "unit/cuda_plugin/fake_nvjpeg.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "unit/cuda_plugin/fake_cudart.h"

namespace photovec::device::test {
namespace {

constexpr size_t kHeader = 8;

struct Header {
  int width = 0;
  int height = 0;
  int components = 0;
  uint8_t seed = 0;
  bool faulty = false;
};

bool Read(const unsigned char* data, size_t length, Header& header) {
  if (length < kHeader || data[0] != 'F' || data[1] != 'J') return false;
  header.width = data[2] + 256 * data[3];
  header.height = data[4] + 256 * data[5];
  header.components = data[6] & 15;
  header.faulty = (data[6] & 16) != 0;
  header.seed = data[7];
  return true;
}

void Decode(const Header& header, uint8_t* to) {
  for (int y = 0; y < header.height; ++y) {
    for (int x = 0; x < header.width; ++x) {
      for (int c = 0; c < 3; ++c)
        *to++ = static_cast<uint8_t>(header.seed * 5 + x * 3 + y * 7 + c * 50 + x * y);
    }
  }
}

struct Handle {
  bool hardware = false;
  device::NvJpegLibrary::Allocator device;
  device::NvJpegLibrary::Allocator pinned;
};
struct State {
  int batch = 0;
  std::vector<void*> blocks;  // of this size of batch
};

// As long as work with it may be queued, the block carries this photo's stamp.
void Use(const device::NvJpegLibrary::Allocator& from, size_t bytes, uint8_t stamp, cudaStream_t stream,
         bool& out_of_memory) {
  void* block = nullptr;
  if (from.take(from.context, &block, bytes, stream) != 0) {
    out_of_memory = true;
    return;
  }
  auto* at = static_cast<uint8_t*>(block);
  at[0] = at[bytes - 1] = stamp;
  if (from.leave(from.context, block, bytes, stream) != 0) ++FakeNvJpeg::Get().trampled;
  FakeGpu::Get().Queue(stream, [=] {
    if (at[0] != stamp || at[bytes - 1] != stamp) ++FakeNvJpeg::Get().trampled;
  });
}

int Create(int backend, device::NvJpegLibrary::Allocator* device, device::NvJpegLibrary::Allocator* pinned,
           unsigned flags, device::NvJpegLibrary::Handle* handle) {
  FakeNvJpeg& fake = FakeNvJpeg::Get();
  if (backend == device::NvJpegLibrary::kHardware && !fake.has_engines)
    return device::NvJpegLibrary::kArchMismatch;
  if (flags != 0 && !fake.can_interpolate) return device::NvJpegLibrary::kNotSupported;
  *handle = new Handle{backend == device::NvJpegLibrary::kHardware, *device, *pinned};
  ++fake.handles;
  return device::NvJpegLibrary::kSuccess;
}

int ImageInfo(device::NvJpegLibrary::Handle /*handle*/, const unsigned char* data, size_t length,
              int* components, int* subsampling, int* widths, int* heights) {
  Header header;
  if (!Read(data, length, header)) return device::NvJpegLibrary::kBadJpeg;
  *components = header.components;
  *subsampling = FakeNvJpeg::Get().subsampling;
  widths[0] = header.width;
  heights[0] = header.height;
  return device::NvJpegLibrary::kSuccess;
}

int Decode(device::NvJpegLibrary::Handle handle, device::NvJpegLibrary::State state,
           const unsigned char* const* data, const size_t* lengths,
           device::NvJpegLibrary::Image* destinations, cudaStream_t stream) {
  FakeNvJpeg& fake = FakeNvJpeg::Get();
  const auto& mine = *static_cast<Handle*>(handle);
  auto& batch = static_cast<State*>(state)->batch;
  if (fake.decode_calls++ == fake.fails_on_call || batch < 1) {
    batch = 0;  // until it is initialised again
    return device::NvJpegLibrary::kExecutionFailed;
  }
  for (int i = 0; i < batch; ++i) {
    Header header;
    bool out_of_memory = false;
    if (!Read(data[i], lengths[i], header) || header.faulty) {
      batch = 0;
      return device::NvJpegLibrary::kBadJpeg;
    }
    const auto stamp = static_cast<uint8_t>(fake.decode_calls * 16 + i);
    const auto pixels = static_cast<size_t>(header.width) * static_cast<size_t>(header.height);
    Use(mine.device, pixels * 3, stamp, stream, out_of_memory);
    Use(mine.pinned, lengths[i], stamp, stream, out_of_memory);
    if (out_of_memory) {
      batch = 0;
      return device::NvJpegLibrary::kExecutionFailed;
    }
    auto* to = destinations[i].channel[0];
    if (mine.hardware) {
      Decode(header, to);
    } else {
      FakeGpu::Get().Queue(stream, [=] { Decode(header, to); });
    }
  }
  fake.batches.push_back(batch);
  return device::NvJpegLibrary::kSuccess;
}

// Gives back what the last size of batch needed, and takes what this one does.
int Initialize(device::NvJpegLibrary::Handle handle, device::NvJpegLibrary::State state, int batch,
               int /*threads*/, int output) {
  ++FakeNvJpeg::Get().initialized;
  const device::NvJpegLibrary::Allocator& from = static_cast<Handle*>(handle)->pinned;
  State& mine = *static_cast<State*>(state);
  for (void* block : mine.blocks) {
    if (from.leave(from.context, block, 0, nullptr) != 0) ++FakeNvJpeg::Get().trampled;
  }
  mine.blocks.clear();
  for (int i = 0; i < batch; ++i) {
    void* block = nullptr;
    if (from.take(from.context, &block, 100'000, nullptr) != 0)
      return device::NvJpegLibrary::kExecutionFailed;
    mine.blocks.push_back(block);
  }
  mine.batch = batch;
  return output == device::NvJpegLibrary::kInterleavedRgb ? 0 : 1;
}

device::NvJpegLibrary Make() {
  device::NvJpegLibrary library;
  library.version = "fake";
  library.create = Create;
  library.destroy = [](device::NvJpegLibrary::Handle handle) {
    delete static_cast<Handle*>(handle);
    return --FakeNvJpeg::Get().handles < 0 ? 1 : 0;
  };
  library.state_create = [](device::NvJpegLibrary::Handle, device::NvJpegLibrary::State* state) {
    *state = new State;
    ++FakeNvJpeg::Get().states;
    return 0;
  };
  library.state_destroy = [](device::NvJpegLibrary::State state) {
    delete static_cast<State*>(state);  // what it holds is the pool's to give back
    return --FakeNvJpeg::Get().states < 0 ? 1 : 0;
  };
  library.image_info = ImageInfo;
  library.hardware_info = [](device::NvJpegLibrary::Handle, unsigned* engines, unsigned* cores) {
    *engines = 1;
    *cores = 7;
    return 0;
  };
  library.batch_preallocate = [](device::NvJpegLibrary::Handle, device::NvJpegLibrary::State, int batch, int,
                                 int, int, int) {
    FakeNvJpeg::Get().preallocated_for = batch;
    return 0;
  };
  library.batch_initialize = Initialize;
  library.batch_decode = Decode;
  return library;
}

}  // namespace

FakeNvJpeg& FakeNvJpeg::Get() {
  static FakeNvJpeg fake;
  return fake;
}

const device::NvJpegLibrary& FakeNvJpegLibrary() {
  static const device::NvJpegLibrary library = Make();
  return library;
}

std::vector<uint8_t> FakeJpeg(int width, int height, uint8_t seed, bool faulty, int components) {
  std::vector<uint8_t> jpeg(kHeader + 100 * static_cast<size_t>(seed % 7), 0);
  const int bytes[] = {
      'F', 'J', width % 256, width / 256, height % 256, height / 256, components + (faulty ? 16 : 0), seed};
  std::copy(std::begin(bytes), std::end(bytes), jpeg.begin());
  return jpeg;
}

std::vector<uint8_t> PixelsOf(const std::vector<uint8_t>& fake_jpeg) {
  Header header;
  if (!Read(fake_jpeg.data(), fake_jpeg.size(), header)) return {};
  std::vector<uint8_t> pixels(static_cast<size_t>(header.width) * static_cast<size_t>(header.height) * 3);
  Decode(header, pixels.data());
  return pixels;
}

}  // namespace photovec::device::test
