// SPDX-License-Identifier: MIT
#include <algorithm>
#include <memory>
#include <utility>

#include "decode/formats/formats.h"
#include "decode/formats/heif/plan.h"

// What limits and callers want to know of a plan.
namespace photovec::decode {
namespace {

/// At most 2^40, so that sums of a thousand stay numbers; the limit on pixels refuses both.
int64_t Saturated(const HeifSize& size) {
  constexpr int64_t kMuch = int64_t{1} << 40;
  return size.width > kMuch / size.height ? kMuch : size.Area();
}

void Note(const HeifNode& node, HeifFacts* facts) {
  for (const HeifStep& step : node.steps) {
    facts->cropped = facts->cropped || step.kind == HeifStep::Kind::kCrop;
    facts->turned = facts->turned || step.kind != HeifStep::Kind::kCrop;
  }
  if (node.kind != HeifNode::Kind::kCoded) {
    facts->derived = true;
    return;
  }
  facts->hevc = facts->hevc || !node.av1;
  facts->av1 = facts->av1 || node.av1;
  facts->bit_depth = std::max({facts->bit_depth, node.stream.luma_bits, node.stream.chroma_bits});
  facts->subsampled = facts->subsampled && node.stream.chroma != 3;
  facts->largest_part_pixels = std::max(facts->largest_part_pixels, Saturated(node.size));
  facts->parts_pixels += Saturated(node.size);
  for (const auto& piece : node.data) facts->data_bytes += static_cast<int64_t>(piece.size());
}

/// Coded pictures, one or a grid of them, can be reduced one by one if no pixel of the result lies in two of
/// them; and where the photo is turned afterwards, its first row and column must not be what is left over at
/// the end.
int MaxScale(const HeifPlan& plan) {
  const HeifNode& top = plan.top();
  const auto is_plain = [&](size_t child) {
    return plan.nodes[child].kind == HeifNode::Kind::kCoded && plan.nodes[child].steps.empty();
  };
  const bool grid =
      top.kind == HeifNode::Kind::kGrid && std::all_of(top.children.begin(), top.children.end(), is_plain);
  const bool cropped = std::any_of(top.steps.begin(), top.steps.end(),
                                   [](const HeifStep& step) { return step.kind == HeifStep::Kind::kCrop; });
  if (cropped || top.premultiplied || !(grid || top.kind == HeifNode::Kind::kCoded)) return 1;
  const auto divides = [](const HeifSize& size, int scale) {
    return size.width % scale == 0 && size.height % scale == 0;
  };
  int scale = 8;
  while (scale > 1 &&
         ((grid && !divides(top.tile, scale)) || (!top.steps.empty() && !divides(top.size, scale)))) {
    scale /= 2;
  }
  return scale;
}

}  // namespace

Result<ImageHeader> ProbeHeif(std::span<const uint8_t> encoded, Format format) {
  ASSIGN_OR_RETURN(HeifPlan plan, ReadHeifPlan(encoded, format == Format::kAvif ? "AVIF" : "HEIC"));
  ImageHeader header;
  header.format = format;
  header.width = static_cast<int>(plan.top().shown.width);
  header.height = static_cast<int>(plan.top().shown.height);
  header.orientation = plan.orientation;
  const HeifNode* shown = &plan.top();
  while (!shown->children.empty()) shown = &plan.nodes[shown->children.front()];
  header.colour = shown->colour;
  HeifFacts& facts = header.heif;
  facts.subsampled = true;
  for (const HeifNode& node : plan.nodes) {
    Note(node, &facts);
    if (node.kind != HeifNode::Kind::kOverlay) continue;
    for (const size_t child : node.children) {
      const HeifNode& part = plan.nodes[child];
      if (part.alpha == kNoHeifNode) continue;
      const int64_t pixels = 3 * Saturated(part.shown) + Saturated(plan.nodes[part.alpha].shown);
      facts.blend_bytes = std::max(facts.blend_bytes, pixels);
    }
  }
  facts.has_alpha = plan.top().alpha != kNoHeifNode;
  facts.max_scale = MaxScale(plan);
  facts.has_icc = plan.has_icc;
  facts.icc = plan.icc;
  facts.plan = std::make_shared<const HeifPlan>(std::move(plan));
  return header;
}

}  // namespace photovec::decode
