// SPDX-License-Identifier: MIT
// Encodes with libheif, which Debian builds with x265 and libaom.
#include <libheif/heif.h>

#include <cstring>

#include "decode/formats/heif/boxes.h"
#include "testing/heif_builder.h"
#include "testing/test_images_internal.h"

namespace photovec::test {
namespace {

void RequireOk(const heif_error& error) { Require(error.code == heif_error_Ok, error.message); }

heif_image* ToImage(const Raster& raster, int bit_depth) {
  heif_image* image = nullptr;
  const bool deep = bit_depth > 8;
  const bool grey = raster.channels == 1;
  RequireOk(heif_image_create(raster.width, raster.height,
                              grey ? heif_colorspace_monochrome : heif_colorspace_RGB,
                              grey   ? heif_chroma_monochrome
                              : deep ? heif_chroma_interleaved_RRGGBB_LE
                                     : heif_chroma_interleaved_RGB,
                              &image));
  const heif_channel channel = grey ? heif_channel_Y : heif_channel_interleaved;
  RequireOk(heif_image_add_plane(image, channel, raster.width, raster.height, bit_depth));
  int stride = 0;
  uint8_t* plane = heif_image_get_plane(image, channel, &stride);
  const int samples = raster.width * raster.channels;
  for (int y = 0; y < raster.height; ++y) {
    uint8_t* row = plane + static_cast<ptrdiff_t>(y) * stride;
    for (int i = 0; i < samples; ++i) {
      const unsigned value = raster.At(0, y)[i];
      if (!deep) {
        row[i] = static_cast<uint8_t>(value);
        continue;
      }
      const unsigned wide = value << (bit_depth - 8) | value >> (16 - bit_depth);
      row[2 * i] = static_cast<uint8_t>(wide);
      row[2 * i + 1] = static_cast<uint8_t>(wide >> 8);
    }
  }
  return image;
}

heif_error Append(heif_context* /*context*/, const void* data, size_t size, void* out) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  auto* file = static_cast<Encoded*>(out);
  file->insert(file->end(), bytes, bytes + size);
  return {heif_error_Ok, heif_suberror_Unspecified, ""};
}

heif_compression_format Compression(bool av1) { return av1 ? heif_compression_AV1 : heif_compression_HEVC; }

}  // namespace

bool HaveHeifEncoder(bool av1) { return heif_have_encoder_for_format(Compression(av1)) != 0; }

Encoded EncodeHeif(const Raster& raster, const HeifOptions& options) {
  heif_context* context = heif_context_alloc();
  heif_encoder* encoder = nullptr;
  RequireOk(heif_context_get_encoder_for_format(context, Compression(options.av1), &encoder));
  RequireOk(heif_encoder_set_lossy_quality(encoder, options.quality));
  if (options.chroma_444) RequireOk(heif_encoder_set_parameter_string(encoder, "chroma", "444"));
  if (options.av1) RequireOk(heif_encoder_set_parameter_integer(encoder, "speed", 8));
  heif_image* image = ToImage(raster, options.bit_depth);
  heif_image_handle* handle = nullptr;
  RequireOk(heif_context_encode_image(context, image, encoder, nullptr, &handle));
  Encoded file;
  heif_writer writer{1, Append};
  RequireOk(heif_context_write(context, &writer, &file));
  heif_image_handle_release(handle);
  heif_image_release(image);
  heif_encoder_release(encoder);
  heif_context_free(context);
  return file;
}

HeifPart EncodeHeifPart(const Raster& raster, const HeifOptions& options) {
  const Encoded file = EncodeHeif(raster, options);
  const auto tables = decode::ReadHeifTables(file, "test file");
  Require(tables.ok(), "the encoder's file can be read");
  const decode::HeifItem* item = tables->Find(tables->primary);
  Require(item != nullptr && item->inside && item->bytes == item->first().size(),
          "its image lies in one piece");
  HeifPart part;
  part.av1 = options.av1;
  part.width = raster.width;
  part.height = raster.height;
  part.data.assign(item->first().begin(), item->first().end());
  const uint32_t wanted = decode::FourCc(options.av1 ? "av1C" : "hvcC");
  for (const decode::HeifAssociation& association : tables->PropertiesOf(tables->primary)) {
    const decode::HeifBox& box = tables->properties.at(association.property);
    if (box.type == wanted) part.config.assign(box.data.begin(), box.data.end());
  }
  Require(!part.config.empty(), "it has its parameters");
  return part;
}

}  // namespace photovec::test
