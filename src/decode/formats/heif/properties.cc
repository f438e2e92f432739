// SPDX-License-Identifier: MIT
#include "decode/formats/heif/properties.h"

#include <algorithm>
#include <cmath>

namespace photovec::decode {
namespace {

/// The sequence header stands at the beginning of the data.
constexpr size_t kEnough = 4096;

Status ReadHevc(const std::string& name, HeifNode* node) {
  ByteReader reader(node->config);
  reader.Skip(16);
  StreamFacts facts;
  facts.chroma = reader.U8() & 3;
  facts.luma_bits = 8 + (reader.U8() & 7);
  facts.chroma_bits = 8 + (reader.U8() & 7);
  if (reader.failed()) {
    return {Code::kImageCorrupt, "the " + name + " has a cut HEVC parameter box (hvcC)"};
  }
  node->stream = ReadHevcStream(node->config).value_or(facts);
  return Status::Ok();
}

Status ReadAv1(const std::string& name, HeifNode* node) {
  ByteReader reader(node->config);
  reader.Skip(2);
  const int bits = reader.U8();
  if (reader.failed()) return {Code::kImageCorrupt, "the " + name + " has a cut AV1 parameter box (av1C)"};
  StreamFacts facts;
  const bool high = (bits & 0x40) != 0;
  facts.luma_bits = facts.chroma_bits = !high ? 8 : (bits & 0x20) != 0 ? 12 : 10;
  facts.chroma = (bits & 0x10) != 0 ? 0 : (bits & 0x08) == 0 ? 3 : (bits & 0x04) != 0 ? 1 : 2;
  std::vector<uint8_t> begin;
  for (const auto& piece : node->data) {
    const size_t count = std::min(piece.size(), kEnough - begin.size());
    begin.insert(begin.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(count));
  }
  node->stream = ReadAv1Stream(begin).value_or(facts);
  return Status::Ok();
}

}  // namespace

Status ReadHeifStream(const std::string& name, HeifNode* node) {
  return node->av1 ? ReadAv1(name, node) : ReadHevc(name, node);
}

std::optional<ColourCode> ReadNclx(std::span<const uint8_t> colr) {
  if (!HasAt(colr, 0, "nclx")) return std::nullopt;
  ByteReader reader(colr.subspan(4));
  ColourCode code;
  code.primaries = reader.U16Be();
  code.transfer = reader.U16Be();
  code.matrix = reader.U16Be();
  code.full_range = (reader.U8() & 0x80) != 0;
  return reader.failed() ? std::nullopt : std::optional(code);
}

namespace {

/// Where a crop begins and how much it keeps on one axis, as libheif counts it: fractions are rounded down.
/// Source: ISO/IEC 14496-12 §12.1.4.
struct Span {
  int64_t begin = 0;
  int64_t length = 0;
};
Span CropAxis(ByteReader* size, ByteReader* offset, int64_t whole) {
  const double numerator = size->U32Be();
  const double denominator = size->U32Be();
  const double off = static_cast<int32_t>(offset->U32Be());
  const double off_denominator = offset->U32Be();
  if (denominator == 0 || off_denominator == 0) return {};
  const double length = numerator / denominator;
  const double first = std::floor(off / off_denominator + (static_cast<double>(whole) - length) / 2);
  const double last = std::min(first + std::floor(length), static_cast<double>(whole));
  const double begin = std::max(first, 0.0);
  if (last <= begin) return {};
  return {static_cast<int64_t>(begin), static_cast<int64_t>(last - begin)};
}

}  // namespace

Result<std::optional<HeifStep>> ReadHeifStep(const HeifBox& box, const HeifSize& before) {
  HeifStep step;
  if (box.type == FourCc("irot") && !box.data.empty()) {
    step.kind = HeifStep::Kind::kTurn;
    step.quarters = box.data[0] & 3;
  } else if (box.type == FourCc("imir") && !box.data.empty()) {
    step.kind = HeifStep::Kind::kMirror;
    step.sideways = (box.data[0] & 1) != 0;
  } else if (box.type == FourCc("clap")) {
    ByteReader widths(box.data);
    ByteReader heights(box.data);
    ByteReader lefts(box.data);
    ByteReader tops(box.data);
    heights.Skip(8);
    lefts.Skip(16);
    tops.Skip(24);
    const Span x = CropAxis(&widths, &lefts, before.width);
    const Span y = CropAxis(&heights, &tops, before.height);
    if (tops.failed() || x.length == 0 || y.length == 0) {
      return Status(Code::kImageCorrupt, "is cropped to nothing (clap)");
    }
    step.left = x.begin;
    step.top = y.begin;
    step.size = {x.length, y.length};
  } else {
    return std::optional<HeifStep>();
  }
  return std::optional(step);
}

HeifSize HeifSizeAfter(const HeifStep& step, const HeifSize& before) {
  if (step.kind == HeifStep::Kind::kCrop) return step.size;
  const bool across = step.kind == HeifStep::Kind::kTurn && step.quarters % 2 == 1;
  return across ? HeifSize{before.height, before.width} : before;
}

}  // namespace photovec::decode
