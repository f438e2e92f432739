// SPDX-License-Identifier: MIT
// A libphotovec_cuda.so without CUDA: what tests load in its place. Vectors are the mean colours of stripes
// of the photo. PHOTOVEC_FAKE_CUDA says what goes wrong: sticky=N (the device breaks at the N-th batch after
// the warm-up), hang=N (stream N never finishes after the warm-up, and to free anything blocks from then on),
// memory=N (no stream takes more than N images), jpeg=N (JPEG decoders of kinds N: 1 engines, 2 CUDA, 3 both;
// they decode on the CPU, exactly).
#include <cstdlib>
#include <cstring>
#include <string>

#include "testing/fake_cuda.h"
#include "testing/fake_jpeg_decoder.h"

namespace photovec::device::test {
namespace {

constexpr size_t kPixels = size_t{224} * 224;

// A black photo gives NaN.
void StripeMeans(const uint8_t* pixels, std::span<float> out) {
  const size_t stripe = kPixels * 3 / out.size();
  double total = 0;
  for (size_t d = 0; d < out.size(); ++d) {
    double sum = 0;
    for (size_t i = 0; i < stripe; ++i) sum += pixels[d * stripe + i];
    total += sum;
    out[d] = static_cast<float>(sum / static_cast<double>(stripe)) + 1.0F;
  }
  if (total == 0) out[0] = std::numeric_limits<float>::quiet_NaN();
}

int Number(const std::string& faults, const std::string& name) {
  const size_t at = faults.find(name + "=");
  return at == std::string::npos ? -1 : std::atoi(faults.c_str() + at + name.size() + 1);
}

FakePlatform* Make() {
  static FakePlatform platform(1, StripeMeans);
  platform.faults.warmup_starts_a_stream = 2;  // CudaEncoder::Warmup
  const char* text = std::getenv("PHOTOVEC_FAKE_CUDA");
  const std::string faults = text == nullptr ? "" : text;
  if (const int at = Number(faults, "sticky"); at >= 0) platform.faults.starts_until_sticky = at;
  if (const int stream = Number(faults, "hang"); stream >= 0) {
    platform.faults.hanging_stream = stream;
    platform.faults.frees_block = true;
  }
  if (const int most = Number(faults, "memory"); most >= 0) platform.faults.most_stream_batch = most;
  if (const int kinds = Number(faults, "jpeg"); kinds >= 0) {
    platform.make_jpeg_decoder =
        [kinds](const device::JpegDecoderOptions& options) -> Result<std::unique_ptr<device::JpegDecoder>> {
      if ((kinds & (options.hardware ? 1 : 2)) == 0) {
        return Status(Code::kUnavailable,
                      options.hardware ? "fake: no JPEG engines" : "fake: no CUDA decoder");
      }
      return std::unique_ptr<device::JpegDecoder>(std::make_unique<FakeJpegDecoder>(options));
    };
  }
  return &platform;
}

}  // namespace
}  // namespace photovec::device::test

extern "C" photovec::device::Platform* photovec_cuda_plugin(uint32_t version, const char* photovec_version) {
  using photovec::device::kPluginVersion;
  if (version != kPluginVersion || std::strcmp(photovec_version, PHOTOVEC_VERSION) != 0) return nullptr;
  return photovec::device::test::Make();
}
