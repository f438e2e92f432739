// SPDX-License-Identifier: MIT
#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>

#include "decode/formats/formats.h"

// The first frame on its canvas, as Pillow gives frame 0: uncovered pixels have the transparent index, else
// index 0; indices beyond the palette are grey levels.
namespace photovec::decode {
namespace {

struct CloseFile {
  void operator()(GifFileType* file) const { DGifCloseFile(file, nullptr); }
};
using File = std::unique_ptr<GifFileType, CloseFile>;

/// The unread part of the encoded bytes, for giflib's read callback.
struct Input {
  std::span<const uint8_t> rest;
};

int OnRead(GifFileType* file, GifByteType* to, int length) {
  auto* input = static_cast<Input*>(file->UserData);
  const size_t count = std::min(input->rest.size(), static_cast<size_t>(std::max(length, 0)));
  if (count > 0) std::memcpy(to, input->rest.data(), count);
  input->rest = input->rest.subspan(count);
  return static_cast<int>(count);
}

Status Failure(int code, const Input& input, int row, int height) {
  const std::string place = " at row " + std::to_string(row) + " of " + std::to_string(height);
  if (input.rest.empty() || code == D_GIF_ERR_EOF_TOO_SOON) {
    return {Code::kImageCorrupt, "the GIF is truncated: its first frame ends" + place};
  }
  switch (code) {
    case D_GIF_ERR_READ_FAILED:  // also what giflib says to a code size that does not exist
      return {Code::kImageCorrupt, "the GIF's data is corrupt" + place};
    case D_GIF_ERR_NOT_ENOUGH_MEM:
      return {Code::kDecodeLimit, "the GIF needs more memory than there is"};
    default: {
      const char* reason = GifErrorString(code);
      return {Code::kImageCorrupt, "the GIF's data is corrupt" + place + " (" +
                                       (reason != nullptr ? reason : "unknown giflib error") + ")"};
    }
  }
}

/// Moves to the pixels of the first frame.
Status SeekFirstFrame(GifFileType* file, const Input& input, int height) {
  for (;;) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(file, &type) == GIF_ERROR) return Failure(file->Error, input, 0, height);
    if (type == IMAGE_DESC_RECORD_TYPE) {
      return DGifGetImageDesc(file) == GIF_ERROR ? Failure(file->Error, input, 0, height) : Status::Ok();
    }
    if (type != EXTENSION_RECORD_TYPE) return {Code::kImageCorrupt, "the GIF has no frame"};
    int label = 0;
    GifByteType* data = nullptr;
    int code = DGifGetExtension(file, &label, &data);
    while (code != GIF_ERROR && data != nullptr) code = DGifGetExtensionNext(file, &data);
    if (code == GIF_ERROR) return Failure(file->Error, input, 0, height);
  }
}

using Palette = std::array<std::array<uint8_t, 3>, 256>;

Palette ReadPalette(const GifFileType& file) {
  Palette palette;
  for (size_t i = 0; i < palette.size(); ++i) palette[i].fill(static_cast<uint8_t>(i));
  const ColorMapObject* map = file.Image.ColorMap != nullptr ? file.Image.ColorMap : file.SColorMap;
  if (map == nullptr) return palette;
  for (size_t i = 0; i < palette.size() && i < static_cast<size_t>(map->ColorCount); ++i) {
    palette[i] = {map->Colors[i].Red, map->Colors[i].Green, map->Colors[i].Blue};
  }
  return palette;
}

void FillCanvas(const std::array<uint8_t, 3>& color, RgbImage* out) {
  for (int x = 0; x < out->width(); ++x)
    std::memcpy(out->data() + static_cast<ptrdiff_t>(x) * 3, color.data(), 3);
  for (int y = 1; y < out->height(); ++y) std::memcpy(out->Row(y), out->data(), out->stride());
}

/// The row that the n-th line of an interlaced frame belongs to. Source: GIF89a appendix E.
class RowOrder {
 public:
  RowOrder(int height, bool interlaced)
      : height_(height), interlaced_(interlaced), step_(interlaced ? 8 : 1) {}
  int Next() {
    static constexpr std::array<int, 4> kFirst = {0, 4, 2, 1};
    static constexpr std::array<int, 4> kStep = {8, 8, 4, 2};
    while (interlaced_ && row_ >= height_ && pass_ < 3) {
      ++pass_;
      row_ = kFirst[pass_];
      step_ = kStep[pass_];
    }
    const int row = row_;
    row_ += step_;
    return row;
  }

 private:
  int height_;
  bool interlaced_;
  int row_ = 0;
  int step_;
  size_t pass_ = 0;
};

}  // namespace

Status DecodeGif(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  const ImageHeader& header = *request.header;
  const FrameRect& frame = header.gif.frame;
  Input input{request.encoded};
  int error = 0;
  File file(DGifOpen(&input, OnRead, &error));
  if (file == nullptr) return Failure(error, input, 0, frame.height);
  if (Status status = SeekFirstFrame(file.get(), input, frame.height); !status.ok()) return status;
  const GifImageDesc& image = file->Image;
  if (image.Left != frame.x || image.Top != frame.y || image.Width != frame.width ||
      image.Height != frame.height) {
    return {Code::kImageCorrupt, "the GIF has contradicting headers"};
  }

  const bool white = request.alpha == AlphaMode::kWhite;
  const int transparent = header.gif.transparent_index;
  Palette palette = ReadPalette(*file);
  if (white && transparent >= 0) palette[static_cast<size_t>(transparent)] = {255, 255, 255};
  out->Reset(header.width, header.height);
  if (frame.width < header.width || frame.height < header.height) {
    FillCanvas(white ? std::array<uint8_t, 3>{255, 255, 255}
                     : palette[static_cast<size_t>(std::max(transparent, 0))],
               out);
  }
  uint8_t* line = scratch->Reserve(static_cast<size_t>(frame.width));
  RowOrder order(frame.height, image.Interlace);
  for (int i = 0; i < frame.height; ++i) {
    if (DGifGetLine(file.get(), line, frame.width) == GIF_ERROR)
      return Failure(file->Error, input, i, frame.height);
    uint8_t* to = out->Row(frame.y + order.Next()) + static_cast<ptrdiff_t>(frame.x) * 3;
    for (int x = 0; x < frame.width; ++x, to += 3) std::memcpy(to, palette[line[x]].data(), 3);
  }
  return Status::Ok();
}

}  // namespace photovec::decode
