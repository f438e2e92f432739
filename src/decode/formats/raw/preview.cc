// SPDX-License-Identifier: MIT
#include "decode/formats/raw/preview.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "decode/byte_reader.h"
#include "decode/formats/heif/boxes.h"
#include "decode/formats/raw/tiff_walk.h"

namespace photovec::decode {
namespace {

/// A preview with a shorter side than this may not be the largest that the file has.
constexpr int kFullPreviewSide = 1000;
constexpr int kMaxScanHits = 4096;

/// A TIFF's picture for the eyes, coded as one JPEG: not the sensor's, not a mask or a depth map.
bool IsJpegStrip(const TiffDirectory& directory) {
  return directory.strips == 1 && (directory.compression == 6 || directory.compression == 7) &&
         (directory.photometric <= 2 || directory.photometric == 6);
}

/// The orientation in a CR3: that of the TIFF in the box CMT1 of Canon's box in `moov`.
/// Source: github.com/lclevy/canon_cr3.
int Cr3Orientation(std::span<const uint8_t> file) {
  constexpr size_t kUuidBytes = 16;
  ByteReader top(file);
  HeifBox moov;
  while (NextBox(&top, &moov) && moov.type != FourCc("moov")) {
  }
  ByteReader inside(moov.type == FourCc("moov") ? moov.data : std::span<const uint8_t>());
  HeifBox uuid;
  while (NextBox(&inside, &uuid)) {
    if (uuid.type != FourCc("uuid") || uuid.data.size() < kUuidBytes) continue;
    ByteReader canon(uuid.data.subspan(kUuidBytes));
    HeifBox box;
    while (NextBox(&canon, &box)) {
      if (box.type != FourCc("CMT1")) continue;
      const auto directories = WalkTiff(box.data);
      return directories.empty() ? 0 : directories.front().orientation;
    }
  }
  return 0;
}

class Finder {
 public:
  explicit Finder(std::span<const uint8_t> file) : file_(file) {}

  Result<RawPreview> Run() {
    bool may_scan = true;
    if (HasAt(file_, 0, "FUJIFILMCCD-RAW")) {
      ByteReader head(file_);
      head.Skip(84);
      const uint32_t offset = head.U32Be();
      Offer(offset, head.U32Be());
    } else if (HasAt(file_, 4, "ftyp")) {
      orientation_ = Cr3Orientation(file_);
    } else {
      // Beside its previews, a DNG may hold JPEGs that are the sensor's numbers.
      may_scan = !WalkDirectories();
    }
    if (may_scan && best_.shape.ShortSide() < kFullPreviewSide) Scan();
    return Choose();
  }

 private:
  /// \return whether it is a DNG.
  bool WalkDirectories() {
    bool dng = false;
    for (const TiffDirectory& directory : WalkTiff(file_)) {
      dng = dng || directory.dng;
      if (orientation_ == 0) orientation_ = directory.orientation;
      if (directory.IsSensor() && directory.width > sensor_width_) {
        sensor_width_ = directory.width;
        sensor_height_ = directory.height;
      }
      if (directory.jpeg_bytes > 0) Offer(directory.jpeg_offset, directory.jpeg_bytes);
      if (IsJpegStrip(directory)) Offer(directory.strip_offset, directory.strip_bytes);
    }
    return dng;
  }

  void Offer(size_t offset, size_t bytes) {
    if (offset >= file_.size() || bytes == 0) {
      outside_ = outside_ || bytes != 0;
      return;
    }
    Offer(file_.subspan(offset, std::min(bytes, file_.size() - offset)));
  }

  void Offer(std::span<const uint8_t> jpeg) {
    const JpegShape shape = ReadJpegShape(jpeg);
    if (!shape.usable || shape.Area() <= best_.shape.Area()) return;
    best_.jpeg = jpeg;
    best_.shape = shape;
  }

  void Scan() {
    size_t at = 0;
    for (int hits = 0; hits < kMaxScanHits && at + 3 < file_.size();) {
      const void* found = std::memchr(file_.data() + at, 0xFF, file_.size() - at);
      if (found == nullptr) return;
      at = static_cast<size_t>(static_cast<const uint8_t*>(found) - file_.data());
      if (HasAt(file_, at, "\xFF\xD8\xFF")) {
        Offer(file_.subspan(at));
        ++hits;
      }
      ++at;
    }
  }

  Result<RawPreview> Choose() {
    const JpegShape& shape = best_.shape;
    if (!shape.usable && outside_) {
      return Status(Code::kImageCorrupt, "the camera raw file is truncated: its preview lies outside of it");
    }
    if (!shape.usable) {
      return Status(
          Code::kUnsupportedFormat,
          "the camera raw file has no JPEG preview in it, and only that is read; export it as JPEG");
    }
    if (shape.ShortSide() < kMinRawPreviewSide) {
      return Status(Code::kUnsupportedFormat,
                    "the camera raw file has only a thumbnail of " + std::to_string(shape.width) + " x " +
                        std::to_string(shape.height) + " pixels; a preview of at least " +
                        std::to_string(kMinRawPreviewSide) + " a side is needed; export it as JPEG");
    }
    best_.orientation = Orientation();
    return best_;
  }

  int Orientation() const {
    const auto own = WalkTiff(best_.shape.exif);
    if (!own.empty() && own.front().orientation != 0) return own.front().orientation;
    const bool upright = best_.shape.height > best_.shape.width;
    const bool sensor_upright = sensor_height_ > sensor_width_;
    if (orientation_ >= 5 && sensor_width_ > 0 && upright != sensor_upright) return 1;  // turned already
    return orientation_ == 0 ? 1 : orientation_;
  }

  std::span<const uint8_t> file_;
  RawPreview best_;
  int orientation_ = 0;
  uint32_t sensor_width_ = 0;
  uint32_t sensor_height_ = 0;
  bool outside_ = false;
};

}  // namespace

Result<RawPreview> FindRawPreview(std::span<const uint8_t> file) { return Finder(file).Run(); }

}  // namespace photovec::decode
