// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>

#include "decode/color/transform.h"
#include "decode/decoder.h"
#include "decode/formats/heif/support.h"
#include "decode/limits.h"
#include "decode/pixel_decoder.h"
#include "decode/sniff.h"
#include "preprocess/resize.h"

namespace photovec::decode {
namespace {

/// Memory is kept between photos; one that takes more leaves nothing behind, so that no panorama stays
/// resident.
constexpr int64_t kMostKeptBytes = int64_t{64} << 20;

class InProcessDecoder final : public Decoder {
 public:
  Result<DecodeReport> Decode(const DecodeJob& job) override {
    cost_ = {};
    Result<DecodeReport> report = Run(job);
    if (cost_.bytes > kMostKeptBytes) DropScratch();
    return report;
  }

 private:
  Result<DecodeReport> Run(const DecodeJob& job) {
    if (job.spec == nullptr || job.out.size() < job.spec->slot_bytes()) {
      return Status(Code::kInternal, "a decode job came without a spec or with too small a slot");
    }
    const DecodeOptions& options = job.options;
    if (Status status = CheckFileSize(job.encoded.size(), options.limits); !status.ok()) return status;
    RETURN_IF_ERROR(CheckHeifSupport(Sniff(job.encoded)));
    Result<ImageHeader> header = ProbeHeader(job.encoded);
    if (!header.ok()) return header.status();
    const PixelRequest request = Plan(job, *header);
    const int d = request.scale_denominator;
    RETURN_IF_ERROR(CheckHeader(*header, d, options.alpha, options.limits, job.encoded.size()));
    const DecodeCost cost = EstimateCost(*header, d, options.alpha, job.encoded.size());
    if (!cost.FitsIn(job.granted)) return Wanting(cost);
    cost_ = cost;
    // What is kept from other photos counts, too.
    if (KeptBytes() > job.granted.bytes - cost.bytes) DropScratch();
    scratch_.damaged_after_rows = -1;
    if (Status status = DecodePixels(request, &scratch_, &pixels_); !status.ok()) return status;

    DecodeReport report;
    if (options.color == ColorMode::kSrgb) {
      report.profile = color_.Convert(job.encoded, *header, request.window, &pixels_);
    }
    report.format = header->format;
    report.damaged = scratch_.damaged_after_rows >= 0;
    report.rows_ok = std::max(scratch_.damaged_after_rows, 0);
    report.own_jpeg_decoder = header->format == Format::kJpeg && scratch_.by_own_decoder;
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

  static DecodeReport Wanting(const DecodeCost& cost) {
    DecodeReport report;
    report.wants = cost;
    return report;
  }

  int64_t KeptBytes() const {
    return static_cast<int64_t>(pixels_.capacity_bytes() + scratch_.bytes.capacity());
  }

  void DropScratch() {
    pixels_.ShrinkTo(0);
    scratch_.bytes = {};
    scratch_.jpeg.reset();
  }

  static PixelRequest Plan(const DecodeJob& job, const ImageHeader& header) {
    PixelRequest request;
    request.encoded = job.encoded;
    request.header = &header;
    request.alpha = job.options.alpha;
    request.jpeg_decoder = job.options.jpeg_decoder;
    request.damaged = job.options.damaged;
    request.limits = job.options.limits;
    const bool fast = job.options.jpeg_scaling == JpegScaling::kFast && header.format == Format::kJpeg &&
                      job.spec->mode != preprocess::ResizeMode::kSquash;
    if (!fast) return request;
    const bool turned = header.orientation >= 5;
    request.scale_denominator = preprocess::FastScaleDenominator(
        turned ? header.height : header.width, turned ? header.width : header.height, *job.spec);
    request.window = CropWindow(header, request.scale_denominator, *job.spec);
    return request;
  }

  DecodeCost cost_;  // of the photo at hand
  RgbImage pixels_;
  CodecScratch scratch_;
  ColorConverter color_;
  preprocess::Preprocessor preprocessor_;
};

}  // namespace

std::unique_ptr<Decoder> MakeInProcessDecoder() { return std::make_unique<InProcessDecoder>(); }

}  // namespace photovec::decode
