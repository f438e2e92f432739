// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>

#include "decode/color/transform.h"
#include "decode/decoder.h"
#include "decode/formats/libraries.h"
#include "decode/limits.h"
#include "decode/pixel_decoder.h"
#include "decode/sniff.h"
#include "preprocess/resize.h"

namespace photovec::decode {
namespace {

/// Kept between photos; what a larger one needed is given back, so that one panorama does not stay resident.
constexpr size_t kKeptScratchBytes = size_t{64} << 20;

class InProcessDecoder final : public Decoder {
 public:
  Result<DecodeReport> Decode(const DecodeJob& job) override {
    Result<DecodeReport> report = Run(job);
    pixels_.ShrinkTo(kKeptScratchBytes);
    if (scratch_.bytes.capacity() > kKeptScratchBytes) scratch_.bytes = {};
    return report;
  }

 private:
  Result<DecodeReport> Run(const DecodeJob& job) {
    if (job.spec == nullptr || job.out.size() < job.spec->slot_bytes()) {
      return Status(Code::kInternal, "a decode job came without a spec or with too small a slot");
    }
    const DecodeOptions& options = job.options;
    if (Status status = CheckFileSize(job.encoded.size(), options.limits); !status.ok()) return status;
    RETURN_IF_ERROR(CheckSupport(Sniff(job.encoded)));
    Result<ImageHeader> header = ProbeHeader(job.encoded);
    if (!header.ok()) return header.status();
    const PixelRequest request = Plan(job, *header);
    if (Status status = CheckHeader(*header, request.scale_denominator, options.alpha, options.limits);
        !status.ok()) {
      return status;
    }
    scratch_.damaged_after_rows = -1;
    if (Status status = DecodePixels(request, &scratch_, &pixels_); !status.ok()) return status;

    DecodeReport report;
    if (options.color == ColorMode::kSrgb) {
      report.profile = header->format == Format::kJxl
                           ? color_.ConvertWith(scratch_.icc, header->jxl.grey, request.window, &pixels_)
                           : color_.Convert(job.encoded, *header, request.window, &pixels_);
    }
    report.format = header->format;
    report.damaged = scratch_.damaged_after_rows >= 0;
    report.rows_ok = std::max(scratch_.damaged_after_rows, 0);
    report.own_jpeg_decoder = header->IsJpegCoded() && scratch_.by_own_decoder;
    // The header's, unless a HEIC was cropped: only then are the pixels fewer at scale 1.
    report.width = request.scale_denominator == 1 ? pixels_.width() : header->width;
    report.height = request.scale_denominator == 1 ? pixels_.height() : header->height;
    report.orientation = header->orientation;
    report.scale_denominator = request.scale_denominator;
    report.decoded_at = Clock::now();
    const preprocess::DecodedPhoto source{pixels_.view(), report.width, report.height,
                                          request.scale_denominator, header->orientation};
    if (Status status = preprocessor_.Run(source, *job.spec, job.out); !status.ok()) return status;
    return report;
  }

  static PixelRequest Plan(const DecodeJob& job, const ImageHeader& header) {
    PixelRequest request;
    request.encoded = job.encoded;
    request.header = &header;
    request.alpha = job.options.alpha;
    request.jpeg_decoder = job.options.jpeg_decoder;
    request.damaged = job.options.damaged;
    request.limits = job.options.limits;
    const bool fast = job.options.jpeg_scaling == JpegScaling::kFast && header.IsJpegCoded() &&
                      job.spec->mode != preprocess::ResizeMode::kSquash;
    if (!fast) return request;
    const bool turned = header.orientation >= 5;
    request.scale_denominator = preprocess::FastScaleDenominator(
        turned ? header.height : header.width, turned ? header.width : header.height, *job.spec);
    request.window = CropWindow(header, request.scale_denominator, *job.spec);
    return request;
  }

  RgbImage pixels_;
  CodecScratch scratch_;
  ColorConverter color_;
  preprocess::Preprocessor preprocessor_;
};

}  // namespace

std::unique_ptr<Decoder> MakeInProcessDecoder() { return std::make_unique<InProcessDecoder>(); }

}  // namespace photovec::decode
