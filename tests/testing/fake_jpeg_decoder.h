// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "decode/decoder.h"
#include "device/cuda/platform.h"

namespace photovec::device::test {

/// A GPU's JPEG decoder that decodes on the CPU: the exact pixels, for models whose resize is their crop.
class FakeJpegDecoder final : public device::JpegDecoder {
 public:
  explicit FakeJpegDecoder(const device::JpegDecoderOptions& options)
      : most_(static_cast<size_t>(options.most_jobs)),
        detail_(options.hardware ? "fake nvJPEG, 7 hardware engines" : "fake nvJPEG, CUDA") {
    counts_.allocations = 5;
  }

  const std::string& detail() const override { return detail_; }
  device::JpegDecoderCounts counts() const override { return counts_; }
  bool usable() const override { return true; }
  size_t Run(std::span<device::JpegJob* const> jobs) override {
    const size_t count = std::min(most_, jobs.size());
    decode::DecodeOptions exact;
    exact.jpeg_scaling = decode::JpegScaling::kExact;
    for (device::JpegJob* job : jobs.first(count)) {
      preprocess::Spec spec;
      spec.crop = spec.resize_short = job->crop;
      job->status = decoder_->Decode({job->encoded, &spec, exact, job->out}).status();
    }
    ++counts_.batches;
    counts_.photos += static_cast<int64_t>(count);
    counts_.submit_us += 10;
    counts_.decode_us += 1000;
    counts_.resize_us += 100;
    return count;
  }

 private:
  const size_t most_;
  const std::string detail_;
  const std::unique_ptr<decode::Decoder> decoder_ = decode::MakeInProcessDecoder();
  device::JpegDecoderCounts counts_;
};

}  // namespace photovec::device::test
