// SPDX-License-Identifier: MIT
#include <spng.h>

#include <cstdlib>
#include <cstring>

#include "testing/test_images.h"
#include "testing/test_images_internal.h"

namespace photovec::test {
namespace {

/// PNG specification, annex D.
uint32_t Crc32(std::span<const uint8_t> bytes) {
  uint32_t crc = 0xFFFFFFFFU;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? 0xEDB88320U ^ (crc >> 1) : crc >> 1;
  }
  return ~crc;
}

void PutBe32(Encoded* out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<uint8_t>(value >> shift));
}

void SetColors(spng_ctx* context, const PngOptions& options) {
  if (!options.palette.empty()) {
    spng_plte plte{};
    plte.n_entries = static_cast<uint32_t>(options.palette.size() / 3);
    for (uint32_t i = 0; i < plte.n_entries; ++i) {
      plte.entries[i].red = options.palette[i * 3];
      plte.entries[i].green = options.palette[i * 3 + 1];
      plte.entries[i].blue = options.palette[i * 3 + 2];
    }
    Require(spng_set_plte(context, &plte) == 0, "png palette");
  }
  spng_trns trns{};
  if (!options.palette_alpha.empty()) {
    trns.n_type3_entries = static_cast<uint32_t>(options.palette_alpha.size());
    std::memcpy(trns.type3_alpha, options.palette_alpha.data(), options.palette_alpha.size());
  } else if (options.key.size() == 1) {
    trns.gray = options.key[0];
  } else if (options.key.size() == 3) {
    trns.red = options.key[0];
    trns.green = options.key[1];
    trns.blue = options.key[2];
  } else {
    return;
  }
  Require(spng_set_trns(context, &trns) == 0, "png tRNS");
}

}  // namespace

Encoded EncodePng(int width, int height, std::span<const uint8_t> rows, const PngOptions& options) {
  spng_ctx* context = spng_ctx_new(SPNG_CTX_ENCODER);
  Require(spng_set_option(context, SPNG_ENCODE_TO_BUFFER, 1) == 0, "png buffer");
  spng_ihdr ihdr{};
  ihdr.width = static_cast<uint32_t>(width);
  ihdr.height = static_cast<uint32_t>(height);
  ihdr.bit_depth = static_cast<uint8_t>(options.bit_depth);
  ihdr.color_type = static_cast<uint8_t>(options.color_type);
  ihdr.interlace_method = options.interlaced ? 1 : 0;
  Require(spng_set_ihdr(context, &ihdr) == 0, "png header");
  SetColors(context, options);
  const int code = spng_encode_image(context, rows.data(), rows.size(), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
  Require(code == 0, spng_strerror(code));
  size_t size = 0;
  int error = 0;
  void* buffer = spng_get_png_buffer(context, &size, &error);
  Require(buffer != nullptr, "png result");
  const auto* bytes = static_cast<const uint8_t*>(buffer);
  Encoded encoded(bytes, bytes + size);
  std::free(buffer);
  spng_ctx_free(context);
  return encoded;
}

Encoded PngChunk(std::string_view type, std::span<const uint8_t> data) {
  Encoded chunk;
  PutBe32(&chunk, static_cast<uint32_t>(data.size()));
  chunk.insert(chunk.end(), type.begin(), type.end());
  chunk.insert(chunk.end(), data.begin(), data.end());
  PutBe32(&chunk, Crc32(std::span(chunk).subspan(4)));
  return chunk;
}

}  // namespace photovec::test
