// SPDX-License-Identifier: MIT
#include "decode/gpu/gpu_decoder.h"

#include <optional>
#include <utility>

#include "decode/header_probe.h"
#include "decode/limits.h"
#include "decode/sniff.h"
#include "preprocess/geometry.h"
#include "preprocess/taps.h"

namespace photovec::decode {
namespace {

// Some cameras pad after the end of the image; a photo that was cut has none.
bool EndsAsJpeg(std::span<const uint8_t> encoded) {
  constexpr size_t kMostPadding = 64;
  size_t end = encoded.size();
  for (size_t i = 0; i < kMostPadding && end > 2 && encoded[end - 1] == 0; ++i) --end;
  return end >= 2 && encoded[end - 2] == 0xFF && encoded[end - 1] == 0xD9;
}

// A GPU's decoder holds each photo in full, several at a time; the CPU scales while it decodes.
constexpr int64_t kMostPixels = 50'000'000;

// So that a photo is within the limits here exactly when it is there.
int ScaleOnCpu(const DecodeJob& job, const ImageHeader& header) {
  if (job.options.jpeg_scaling == JpegScaling::kExact) return 1;
  const bool turned = header.orientation >= 5;
  return preprocess::FastScaleDenominator(turned ? header.height : header.width,
                                          turned ? header.width : header.height, *job.spec);
}

// Its header when it is one for a GPU.
std::optional<ImageHeader> ProbeForGpu(const DecodeJob& job) {
  if (job.spec == nullptr || job.spec->mode == preprocess::ResizeMode::kSquash ||
      job.options.color != ColorMode::kIgnore || Sniff(job.encoded) != Format::kJpeg ||
      !CheckFileSize(job.encoded.size(), job.options.limits).ok() || !EndsAsJpeg(job.encoded)) {
    return std::nullopt;
  }
  Result<ImageHeader> header = ProbeHeader(job.encoded);
  if (!header.ok() || !header->jpeg.baseline || header->jpeg.multi_scan || header->jpeg.components > 3 ||
      int64_t{header->width} * header->height > kMostPixels ||
      !CheckHeader(*header, ScaleOnCpu(job, *header), job.options.alpha, job.options.limits).ok()) {
    return std::nullopt;
  }
  return std::move(header).value();
}

class GpuDecoder final : public Decoder {
 public:
  GpuDecoder(GpuJpegService& gpu, std::unique_ptr<Decoder> cpu) : gpu_(gpu), cpu_(std::move(cpu)) {}

  Result<DecodeReport> Decode(const DecodeJob& job) override {
    std::optional<ImageHeader> header;
    if (job.spec != nullptr && job.out.size() == job.spec->slot_bytes()) header = ProbeForGpu(job);
    CpuTurn turn;
    if (header.has_value() && Run(job, *header, turn).ok()) return Report(*header);
    if (turn == nullptr) turn = gpu_.AwaitCpu(header.has_value());
    return cpu_->Decode(job);
  }

 private:
  static DecodeReport Report(const ImageHeader& header) {
    DecodeReport report;
    report.format = Format::kJpeg;
    report.on_gpu = true;
    report.width = header.width;
    report.height = header.height;
    report.orientation = header.orientation;
    report.decoded_at = Clock::now();
    return report;
  }

  Status Run(const DecodeJob& job, const ImageHeader& header, CpuTurn& turn) {
    // The plan asks for where pixels are; they will be on the GPU.
    const RgbView pixels{job.encoded.data(), header.width, header.height,
                         static_cast<size_t>(header.width) * 3};
    ASSIGN_OR_RETURN(
        const preprocess::ResizePlan plan,
        preprocess::MakeResizePlan({pixels, header.width, header.height, 1, header.orientation}, *job.spec));
    device::JpegJob gpu_job;
    gpu_job.encoded = job.encoded;
    gpu_job.width = header.width;
    gpu_job.height = header.height;
    gpu_job.plan = &plan;
    gpu_job.x = &taps_.Get(plan.x.key);
    gpu_job.y = &taps_.Get(plan.y.key);
    gpu_job.crop = job.spec->crop;
    gpu_job.out = job.out;
    gpu_.Decode(gpu_job, turn);
    return std::move(gpu_job.status);
  }

  GpuJpegService& gpu_;
  const std::unique_ptr<Decoder> cpu_;
  preprocess::TapCache taps_;
};

}  // namespace

bool IsForGpu(const DecodeJob& job) { return ProbeForGpu(job).has_value(); }

std::unique_ptr<Decoder> MakeGpuDecoder(GpuJpegService& gpu, std::unique_ptr<Decoder> cpu) {
  return std::make_unique<GpuDecoder>(gpu, std::move(cpu));
}

}  // namespace photovec::decode
