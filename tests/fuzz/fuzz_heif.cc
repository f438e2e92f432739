// SPDX-License-Identifier: MIT
// Only what photovec itself reads of a HEIC or AVIF: libheif is never loaded here (formats/heif/support.h),
// its place is the sandboxed worker.
#include <cstdio>
#include <cstdlib>

#include "decode/header_probe.h"
#include "fuzz/fuzz_target.h"
#include "testing/heif_builder.h"

namespace photovec::fuzz {
namespace {

test::HeifBuilder Photo(const test::HeifPart& part) {
  test::HeifBuilder builder;
  const uint32_t image = builder.AddCoded(part);
  builder.AddRotation(image, 1);
  builder.AddMirror(image, 0);
  builder.AddCrop(image, 20, 16);
  builder.MakeAlpha(builder.AddCoded(test::FakeHeifPart(part.height, part.width)), image);
  builder.Refer("thmb", builder.AddCoded(test::FakeHeifPart(8, 8)), {image});
  if (part.av1) builder.brands = test::AvifBrands();
  return builder;
}

}  // namespace

void FuzzOne(const uint8_t* data, size_t size) {
  const Result<decode::ImageHeader> header = decode::ProbeHeader({data, size});
  if (header.ok() && (header->heif.hevc || header->heif.av1)) {
    const decode::HeifFacts& facts = header->heif;
    Check(facts.bit_depth >= 8 && facts.bit_depth <= 16, "bit depths are 8 to 16");
    Check(facts.largest_part_pixels > 0 && facts.parts_pixels >= facts.largest_part_pixels,
          "the parts have pixels");
    Check(facts.data_bytes > 0, "the parts have data");
    Check(header->orientation == 1 || header->format == decode::Format::kAvif,
          "a HEIC is never turned again");
  }
  DecodeEveryWay(data, size);
}

/// Boxes have no checksums.
void Repair(std::vector<uint8_t>* /*file*/) {}

std::vector<std::vector<uint8_t>> Seeds() {
  test::HeifBuilder grid;
  std::vector<uint32_t> tiles;
  for (int i = 0; i < 4; ++i) tiles.push_back(grid.AddCoded(test::FakeHeifPart(16, 16)));
  grid.primary = grid.AddGrid(2, 2, 30, 28, tiles);
  test::HeifBuilder nested = grid;
  nested.in_idat = true;
  const uint32_t inner = nested.primary;
  nested.primary = nested.AddItem("iden", {});
  nested.Refer("dimg", nested.primary, {inner});
  test::HeifBuilder overlay = Photo(test::FakeHeifPart(24, 32));
  overlay.primary = overlay.AddOverlay(40, 40, {1, 2}, {{3, -4}, {20, 10}});
  overlay.AddColour(1, 12, 13, 6, true);
  const test::HeifPart alpha = test::FakeHeifPart(24, 32, true);
  return {Photo(test::FakeHeifPart(24, 32)).Build(),
          Photo(test::FakeHeifPart(24, 32, true, 10)).Build(),
          grid.Build(),
          nested.Build(),
          overlay.Build(),
          test::HeifSequenceOf(test::FakeHeifPart(24, 32, true), &alpha)};
}

}  // namespace photovec::fuzz
