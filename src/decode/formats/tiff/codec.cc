// SPDX-License-Identifier: MIT
#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "decode/formats/formats.h"
#include "decode/formats/tiff/library.h"
#include "decode/formats/tiff/samples.h"

// The first page. Rows of strips are read one by one, tiles as a whole; what YCbCr is not inside a JPEG goes
// through libtiff's RGBA reader, band by band, as Pillow does.
namespace photovec::decode {
namespace {

/// The file in memory, for libtiff's callbacks, and what libtiff complained of.
struct File {
  std::span<const uint8_t> bytes;
  uint64_t at = 0;
  std::string complaint;  ///< the first one
};

File& Of(thandle_t handle) { return *static_cast<File*>(handle); }

tmsize_t OnRead(thandle_t handle, void* to, tmsize_t wanted) {
  File& file = Of(handle);
  const uint64_t left = file.bytes.size() - std::min<uint64_t>(file.at, file.bytes.size());
  const auto count =
      static_cast<size_t>(std::min<uint64_t>(left, wanted > 0 ? static_cast<uint64_t>(wanted) : 0));
  if (count > 0) std::memcpy(to, file.bytes.data() + file.at, count);
  file.at += count;
  return static_cast<tmsize_t>(count);
}
tmsize_t OnWrite(thandle_t /*handle*/, void* /*from*/, tmsize_t /*count*/) { return 0; }
toff_t OnSeek(thandle_t handle, toff_t offset, int whence) {
  File& file = Of(handle);
  file.at = (whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file.at : file.bytes.size()) + offset;
  return file.at;
}
int OnClose(thandle_t /*handle*/) { return 0; }
toff_t OnSize(thandle_t handle) { return Of(handle).bytes.size(); }
int OnMap(thandle_t handle, void** base, toff_t* size) {
  *base = const_cast<uint8_t*>(Of(handle).bytes.data());  // opened for reading: never written
  *size = Of(handle).bytes.size();
  return 1;
}
void OnUnmap(thandle_t /*handle*/, void* /*base*/, toff_t /*size*/) {}

void OnError(thandle_t handle, const char* /*module*/, const char* format, va_list arguments) {
  if (handle == nullptr || !Of(handle).complaint.empty()) return;
  std::array<char, 200> text{};
  std::vsnprintf(text.data(), text.size(), format, arguments);
  Of(handle).complaint = text.data();
}

struct Session {
  const TiffApi& api;
  const PixelRequest& request;
  const TiffFacts& facts;
  File& file;
  TIFF* tiff;
  CodecScratch& scratch;
  RgbImage& out;
  tiff::Palette palette{};
};

Status Corrupt(const Session& s, int row) {
  std::string text = "the TIFF is corrupt or truncated at row " + std::to_string(row) + " of " +
                     std::to_string(s.request.header->height);
  if (!s.file.complaint.empty()) text += " (" + s.file.complaint + ")";
  return {Code::kImageCorrupt, text};
}

Status Contradiction() { return {Code::kImageCorrupt, "the TIFF has contradicting headers"}; }

/// That libtiff sees what the probe saw: buffers are as large as the probe says.
bool Agrees(const Session& s) {
  const TiffFacts& facts = s.facts;
  uint32_t width = 0;
  uint32_t height = 0;
  uint16_t bits = 0;
  uint16_t samples = 0;
  uint16_t planar = 0;
  s.api.get_field(s.tiff, TIFFTAG_IMAGEWIDTH, &width);
  s.api.get_field(s.tiff, TIFFTAG_IMAGELENGTH, &height);
  s.api.get_field_defaulted(s.tiff, TIFFTAG_BITSPERSAMPLE, &bits);
  s.api.get_field_defaulted(s.tiff, TIFFTAG_SAMPLESPERPIXEL, &samples);
  s.api.get_field_defaulted(s.tiff, TIFFTAG_PLANARCONFIG, &planar);
  return width == static_cast<uint32_t>(s.request.header->width) &&
         height == static_cast<uint32_t>(s.request.header->height) && bits == facts.bits &&
         samples == facts.samples && (planar == PLANARCONFIG_SEPARATE || !facts.planar) &&
         (planar != PLANARCONFIG_SEPARATE || facts.planar || facts.samples == 1) &&
         (s.api.is_tiled(s.tiff) != 0) == (facts.tile_width > 0);
}

bool ReadPalette(Session* s) {
  if (s->facts.photometric != TiffColor::kPalette) return true;
  std::array<uint16_t*, 3> maps{};
  if (s->api.get_field(s->tiff, TIFFTAG_COLORMAP, &maps[0], &maps[1], &maps[2]) == 0) return false;
  for (size_t i = 0; i < size_t{1} << s->facts.bits; ++i) {
    for (size_t c = 0; c < 3; ++c) s->palette.at(i).at(c) = static_cast<uint8_t>(maps.at(c)[i] >> 8);
  }
  return true;
}

size_t RowBytes(const TiffFacts& facts, int width) {
  const auto samples = static_cast<size_t>(facts.planar ? 1 : facts.samples);
  return (static_cast<size_t>(width) * samples * static_cast<size_t>(facts.bits) + 7) / 8;
}

/// Where planes are put together: [height, width, samples] bytes.
size_t CanvasBytes(const Session& s) {
  if (!s.facts.planar) return 0;
  return static_cast<size_t>(s.out.width()) * static_cast<size_t>(s.out.height()) *
         static_cast<size_t>(s.facts.samples);
}

/// One row of a plane, or of all samples, from column `x` on.
void Take(const Session& s, const uint8_t* in, int x, int y, int width, int plane, uint8_t* canvas,
          uint8_t* bytes) {
  const auto samples = static_cast<size_t>(s.facts.samples);
  const auto count = static_cast<size_t>(width);
  if (s.facts.planar) {
    const size_t pixel = static_cast<size_t>(y) * static_cast<size_t>(s.out.width()) + static_cast<size_t>(x);
    return tiff::ToBytes(s.facts, in, count, canvas + pixel * samples + static_cast<size_t>(plane), samples);
  }
  if (s.facts.bits != 8) {
    tiff::ToBytes(s.facts, in, count * samples, bytes, 1);
    in = bytes;
  }
  tiff::ToRgb(s.facts, s.palette, s.request.alpha, in, count, s.out.Row(y) + static_cast<size_t>(x) * 3);
}

Status ReadStrips(const Session& s, uint8_t* canvas, uint8_t* row) {
  const int width = s.out.width();
  const size_t bytes = RowBytes(s.facts, width);
  if (s.api.scanline_size(s.tiff) != bytes) return Contradiction();
  for (int plane = 0; plane < (s.facts.planar ? s.facts.samples : 1); ++plane) {
    for (int y = 0; y < s.out.height(); ++y) {
      if (s.api.read_scanline(s.tiff, row, static_cast<uint32_t>(y), static_cast<uint16_t>(plane)) < 0)
        return Corrupt(s, y);
      Take(s, row, 0, y, width, plane, canvas, row + bytes);
    }
  }
  return Status::Ok();
}

Status ReadTiles(const Session& s, uint8_t* canvas, uint8_t* tile) {
  const TiffFacts& facts = s.facts;
  const size_t row_bytes = RowBytes(facts, facts.tile_width);
  const size_t tile_bytes = row_bytes * static_cast<size_t>(facts.tile_height);
  if (s.api.tile_size(s.tiff) != tile_bytes) return Contradiction();
  for (int plane = 0; plane < (facts.planar ? facts.samples : 1); ++plane) {
    for (int top = 0; top < s.out.height(); top += facts.tile_height) {
      for (int left = 0; left < s.out.width(); left += facts.tile_width) {
        const uint32_t index = s.api.compute_tile(
            s.tiff, static_cast<uint32_t>(left), static_cast<uint32_t>(top), 0, static_cast<uint16_t>(plane));
        if (s.api.read_tile(s.tiff, index, tile, static_cast<tmsize_t>(tile_bytes)) < 0)
          return Corrupt(s, top);
        const int width = std::min(facts.tile_width, s.out.width() - left);
        const int end = std::min(top + facts.tile_height, s.out.height());
        for (int y = top; y < end; ++y) {
          Take(s, tile + static_cast<size_t>(y - top) * row_bytes, left, y, width, plane, canvas,
               tile + tile_bytes);
        }
      }
    }
  }
  return Status::Ok();
}

/// YCbCr that is not inside of a JPEG.
Status ReadYcbcr(const Session& s) {
  const int band = s.facts.tile_height > 0 ? s.facts.tile_height : s.facts.strip_rows;
  const auto width = static_cast<uint32_t>(s.out.width());
  TIFFRGBAImage image{};
  std::array<char, 1024> reason{};
  if (s.api.rgba_begin(&image, s.tiff, 1, reason.data()) == 0) {
    return {Code::kUnsupportedFormat, std::string("this kind of TIFF is not supported: ") + reason.data()};
  }
  const std::unique_ptr<TIFFRGBAImage, decltype(s.api.rgba_end)> held(&image, s.api.rgba_end);
  image.req_orientation = image.orientation;  // stored order
  const size_t pixels = size_t{width} * static_cast<size_t>(std::min(band, s.out.height()));
  auto* raster = reinterpret_cast<uint32_t*>(s.scratch.Reserve(pixels * 4));
  for (int top = 0; top < s.out.height(); top += band) {
    const int rows = std::min(band, s.out.height() - top);
    image.row_offset = top;
    image.col_offset = 0;
    if (s.api.rgba_get(&image, raster, width, static_cast<uint32_t>(rows)) == 0) return Corrupt(s, top);
    const uint32_t* from = raster;
    for (int y = top; y < top + rows; ++y) {
      uint8_t* to = s.out.Row(y);
      for (uint32_t x = 0; x < width; ++x, ++from, to += 3) {
        to[0] = static_cast<uint8_t>(TIFFGetR(*from));
        to[1] = static_cast<uint8_t>(TIFFGetG(*from));
        to[2] = static_cast<uint8_t>(TIFFGetB(*from));
      }
    }
  }
  return Status::Ok();
}

Status ReadPixels(Session* s) {
  const TiffFacts& facts = s->facts;
  if (facts.photometric == TiffColor::kYcbcr) {
    if (facts.compression != COMPRESSION_JPEG || facts.planar) return ReadYcbcr(*s);
    s->api.set_field(s->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  }
  if (!ReadPalette(s)) return {Code::kImageCorrupt, "the TIFF has no palette, or one of another size"};
  const int width = facts.tile_width > 0 ? facts.tile_width : s->out.width();
  const size_t piece = RowBytes(facts, width) * static_cast<size_t>(std::max(facts.tile_height, 1));
  const size_t canvas_bytes = CanvasBytes(*s);
  const size_t bytes_row = static_cast<size_t>(width) * static_cast<size_t>(facts.samples);
  uint8_t* canvas = s->scratch.Reserve(canvas_bytes + piece + bytes_row);
  uint8_t* buffer = canvas + canvas_bytes;
  const Status status = facts.tile_width > 0 ? ReadTiles(*s, canvas, buffer) : ReadStrips(*s, canvas, buffer);
  if (!status.ok() || !facts.planar) return status;
  for (int y = 0; y < s->out.height(); ++y) {
    const auto pixels = static_cast<size_t>(s->out.width());
    tiff::ToRgb(facts, s->palette, s->request.alpha,
                canvas + static_cast<size_t>(y) * pixels * static_cast<size_t>(facts.samples), pixels,
                s->out.Row(y));
  }
  return Status::Ok();
}

}  // namespace

Status DecodeTiff(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  const TiffApi* api = GetTiffApi();
  if (api == nullptr) return CheckSupport(Format::kTiff);
  api->set_error_handler_ext(&OnError);
  File file{request.encoded, 0, {}};
  const std::unique_ptr<TIFF, decltype(api->close)> handle(
      api->client_open("photo", "r", &file, OnRead, OnWrite, OnSeek, OnClose, OnSize, OnMap, OnUnmap),
      api->close);
  if (handle == nullptr) {
    return {Code::kImageCorrupt,
            "the TIFF is corrupt" + (file.complaint.empty() ? "" : " (" + file.complaint + ")")};
  }
  const TiffFacts& facts = request.header->tiff;
  if (api->is_configured(static_cast<uint16_t>(facts.compression)) == 0) {
    return {Code::kUnsupportedFormat,
            "the installed libtiff lacks the codec for compression " + std::to_string(facts.compression)};
  }
  out->Reset(request.header->width, request.header->height);
  Session session{*api, request, facts, file, handle.get(), *scratch, *out};
  if (!Agrees(session)) return Contradiction();
  return ReadPixels(&session);
}

}  // namespace photovec::decode
