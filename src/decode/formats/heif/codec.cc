// SPDX-License-Identifier: MIT
#include <algorithm>

#include "decode/formats/formats.h"
#include "decode/formats/heif/library.h"
#include "decode/formats/heif/plan.h"
#include "decode/formats/heif/render.h"

namespace photovec::decode {
namespace {

/// Colour that was multiplied by its coverage, as it was before.
uint8_t Unmultiplied(uint8_t c, uint8_t a) {
  return a == 0 ? uint8_t{0} : static_cast<uint8_t>(std::min(255, (c * 255 + a / 2) / a));
}

void Compose(const HeifCoverage& coverage, bool premultiplied, bool white, RgbImage* out) {
  for (int y = 0; y < out->height(); ++y) {
    uint8_t* pixel = out->Row(y);
    for (int x = 0; x < out->width(); ++x, pixel += 3) {
      const uint8_t a = coverage.At(x, y, {out->width(), out->height()});
      for (int c = 0; c < 3; ++c) {
        if (!premultiplied) {
          pixel[c] = OverWhite(pixel[c], a);
        } else if (white) {
          pixel[c] = static_cast<uint8_t>(std::min(255, pixel[c] + 255 - a));
        } else {
          pixel[c] = Unmultiplied(pixel[c], a);
        }
      }
    }
  }
}

}  // namespace

Status DecodeHeif(const PixelRequest& request, CodecScratch* /*scratch*/, RgbImage* out) {
  const HeifFacts& facts = request.header->heif;
  if (facts.hevc || facts.plan == nullptr) RETURN_IF_ERROR(CheckHeifCodec(false));
  if (facts.av1) RETURN_IF_ERROR(CheckHeifCodec(true));
  const HeifPlan& plan = *facts.plan;
  const bool white = request.alpha == AlphaMode::kWhite;
  const bool uses_alpha = white || plan.top().premultiplied;
  if (uses_alpha) RETURN_IF_ERROR(plan.alpha_status);
  const int d = request.scale_denominator;
  HeifRenderer renderer(plan, request.limits, d);
  out->Reset((request.header->width + d - 1) / d, (request.header->height + d - 1) / d);
  RETURN_IF_ERROR(renderer.Colour(plan.top(), out));
  if (plan.top().alpha == kNoHeifNode || !uses_alpha) return Status::Ok();
  HeifCoverage coverage;
  RETURN_IF_ERROR(renderer.Alpha(plan.top(), &coverage));
  Compose(coverage, plan.top().premultiplied, white, out);
  return Status::Ok();
}

}  // namespace photovec::decode
