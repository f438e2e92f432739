// SPDX-License-Identifier: MIT
#include <algorithm>
#include <vector>

#include "decode/formats/formats.h"
#include "decode/formats/heif/library.h"
#include "decode/formats/heif/plan.h"
#include "decode/formats/heif/render.h"

namespace photovec::decode {
namespace {

/// The transparency of a photo, of any size.
struct Coverage {
  std::vector<uint8_t> levels;
  int64_t width = 0;
  int64_t height = 0;
  /// Of a pixel of an image of another size, too.
  uint8_t At(int64_t x, int64_t y, const RgbImage& image) const {
    const int64_t from_x = x * width / image.width();
    const int64_t from_y = y * height / image.height();
    return levels[static_cast<size_t>(from_y * width + from_x)];
  }
};

/// Colour that was multiplied by its coverage, as it was before.
uint8_t Unmultiplied(uint8_t c, uint8_t a) {
  return a == 0 ? uint8_t{0} : static_cast<uint8_t>(std::min(255, (c * 255 + a / 2) / a));
}

void Compose(const Coverage& coverage, bool premultiplied, bool white, RgbImage* out) {
  for (int y = 0; y < out->height(); ++y) {
    uint8_t* pixel = out->Row(y);
    for (int x = 0; x < out->width(); ++x, pixel += 3) {
      const uint8_t a = coverage.At(x, y, *out);
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
  if (white || plan.premultiplied) RETURN_IF_ERROR(plan.alpha_status);
  const int d = request.scale_denominator;
  HeifRenderer renderer(plan, request.limits, d);
  out->Reset((request.header->width + d - 1) / d, (request.header->height + d - 1) / d);
  RETURN_IF_ERROR(renderer.Colour(out));
  if (plan.alpha == HeifPlan::kNone || !(white || plan.premultiplied)) return Status::Ok();
  const HeifSize& size = plan.nodes[plan.alpha].shown;
  Coverage coverage{{}, size.width, size.height};
  RETURN_IF_ERROR(renderer.Alpha(&coverage.levels));
  Compose(coverage, plan.premultiplied, white, out);
  return Status::Ok();
}

}  // namespace photovec::decode
