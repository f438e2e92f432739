// SPDX-License-Identifier: MIT
#include <string>

#include "decode/formats/formats.h"
#include "decode/formats/raw/preview.h"

// A camera's raw file is read as the JPEG inside it, by the decoders and with the limits of JPEGs. No library
// for raw files is needed, and none sees one.
namespace photovec::decode {

Result<ImageHeader> ProbeRaw(std::span<const uint8_t> encoded) {
  ASSIGN_OR_RETURN(const RawPreview preview, FindRawPreview(encoded));
  Result<ImageHeader> header = ProbeJpeg(preview.jpeg);
  if (!header.ok())
    return Status(header.status().code(), "the camera raw file's preview: " + header.status().message());
  header->format = Format::kRaw;
  header->orientation = preview.orientation;
  header->raw.preview = preview.jpeg;
  return header;
}

Status DecodeRaw(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  ImageHeader header = *request.header;
  header.format = Format::kJpeg;
  PixelRequest jpeg = request;
  jpeg.encoded = header.raw.preview;
  jpeg.header = &header;
  return DecodeJpeg(jpeg, scratch, out);
}

}  // namespace photovec::decode
