// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string_view>

#include "base/deadline.h"
#include "base/enum_names.h"
#include "base/result.h"
#include "preprocess/spec.h"

namespace photovec::decode {

enum class Format {
  kUnknown,
  kJpeg,
  kPng,
  kWebp,
  kGif,
  kHeif,
  kAvif,
  kTiff,
  kBmp,
  kPnm,
  kQoi,
  kIco,
  kJxl,
  kJpeg2000,
  kRaw,
  kCount,
};
std::string_view FormatName(Format format);

enum class JpegScaling {
  kFast,   ///< smallest DCT scale that is still >= 2x the resize target; may skip rows below the crop
  kExact,  ///< decode in full, read to the end of the file
};
constexpr auto EnumNames(JpegScaling /*of*/) {
  return std::array{EnumName{JpegScaling::kFast, "fast"}, EnumName{JpegScaling::kExact, "exact"}};
}
enum class JpegChoice {
  kAuto,          ///< the own decoder where it can (docs/jpeg.md), else libjpeg-turbo: the same pixels
  kLibjpegTurbo,  ///< libjpeg-turbo only, to compare
};
constexpr auto EnumNames(JpegChoice /*of*/) {
  return std::array{EnumName{JpegChoice::kAuto, "auto"},
                    EnumName{JpegChoice::kLibjpegTurbo, "libjpeg-turbo"}};
}
/// What becomes of a photo whose data is damaged inside: cut off, or with bad codes or lost restart markers.
/// A file whose pixels are all there, and only whose end is wrong, is read in both modes and counts as whole.
enum class DamagedMode {
  kStrict,    ///< kImageCorrupt
  kTolerant,  ///< read as libjpeg-turbo and Pillow's LOAD_TRUNCATED_IMAGES do if half of its rows are sound
};
constexpr auto EnumNames(DamagedMode /*of*/) {
  return std::array{EnumName{DamagedMode::kStrict, "strict"}, EnumName{DamagedMode::kTolerant, "tolerant"}};
}
enum class AlphaMode {
  kDrop,   ///< as Pillow's convert("RGB"): colour under transparent pixels is kept
  kWhite,  ///< compose over white
};
constexpr auto EnumNames(AlphaMode /*of*/) {
  return std::array{EnumName{AlphaMode::kDrop, "drop"}, EnumName{AlphaMode::kWhite, "white"}};
}
enum class ColorMode {
  kIgnore,  ///< pixels as they are stored, as Pillow gives them
  kSrgb,    ///< through the photo's ICC profile to sRGB: color/transform.h
};
constexpr auto EnumNames(ColorMode /*of*/) {
  return std::array{EnumName{ColorMode::kIgnore, "ignore"}, EnumName{ColorMode::kSrgb, "srgb"}};
}

/// What decoding one photo takes, estimated from above from what its header promises.
struct DecodeCost {
  static constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();
  /// CPU time that any photo may use; a cost of less counts as this.
  static constexpr int64_t kPlainCpuMs = 2'000;
  /// What promises more is a big photo and waits its turn, as one does that takes much memory.
  static constexpr int64_t kLongCpuMs = 10'000;
  int64_t bytes = 0;   ///< working memory at its peak: pixels, the codec's own, and the encoded bytes
  int64_t cpu_ms = 0;  ///< CPU time that an honest photo does not exceed on a slow machine

  bool FitsIn(const DecodeCost& granted) const { return bytes <= granted.bytes && cpu_ms <= granted.cpu_ms; }
};

/// What a photo may cost before it is refused. Checked on the header, before any pixel is allocated. Memory
/// and time are what counts; sides and pixels have limits for those who want to refuse large photos.
struct Limits {
  int64_t max_pixels = 1'000'000'000;
  int max_side = 65'535;
  int64_t max_file_bytes = 100'000'000;
  int64_t max_decoder_bytes = 2LL << 30;  ///< DecodeCost::bytes; DecodeMemory may allow less
  int max_cpu_s = 90;                     ///< DecodeCost::cpu_ms
  int max_jpeg_scans = 100;
};

struct DecodeOptions {
  JpegScaling jpeg_scaling = JpegScaling::kFast;
  JpegChoice jpeg_decoder = JpegChoice::kAuto;
  DamagedMode damaged = DamagedMode::kStrict;
  AlphaMode alpha = AlphaMode::kDrop;
  ColorMode color = ColorMode::kIgnore;
  Limits limits;
};

/// What became of a photo's colour profile.
enum class ProfileUse {
  kNone,         ///< it has none, or was not asked for it (ColorMode::kIgnore)
  kConverted,    ///< the pixels went through it
  kAlreadySrgb,  ///< it describes sRGB, within a level
  kIgnored,      ///< broken, oversized, or for another kind of pixels
};

/// One photo to decode. Everything is borrowed for the duration of the call.
struct DecodeJob {
  std::span<const uint8_t> encoded;
  const preprocess::Spec* spec = nullptr;
  DecodeOptions options;
  std::span<uint8_t> out;  ///< spec->slot_bytes() bytes of a slot
  /// What it may take: a photo that promises more is not decoded, and DecodeReport::wants says how much.
  DecodeCost granted = {DecodeCost::kUnlimited, DecodeCost::kUnlimited};
  Deadline deadline =
      {};  ///< when nobody wants it any more; only a decoder process that does not get on looks
};

/// What happened, for stage times, logs and metrics.
struct DecodeReport {
  /// Not zero: it takes more than the job granted. Nothing was decoded and nothing else here is set; decode
  /// it again when it may have so much (decode_memory.h).
  DecodeCost wants;
  Format format = Format::kUnknown;
  int width = 0;  ///< stored size in pixels, before orientation; of HEIC and AVIF as shown
  int height = 0;
  int orientation = 1;  ///< EXIF 1..8; always 1 for HEIC and AVIF, whose pixels come turned and cropped
  int scale_denominator = 1;
  bool own_jpeg_decoder = false;  ///< who decoded a JPEG: the own decoder or libjpeg-turbo (or a GPU)
  bool in_pair = false;  ///< by the own decoder, beside another photo for a part of the time at least
  bool on_gpu = false;   ///< by nvJPEG
  bool damaged = false;  ///< read although its data is damaged (DamagedMode::kTolerant)
  int rows_ok = 0;       ///< of a damaged photo: the stored rows that are sound
  ProfileUse profile = ProfileUse::kNone;
  TimePoint decoded_at;  ///< when pixels existed, in their final colours; preprocessing follows
};

/// Who decoded a JPEG.
enum class JpegBy : uint8_t { kNobody, kOwn, kOwnPair, kLibjpegTurbo, kGpu };
constexpr auto EnumNames(JpegBy /*of*/) {
  return std::array{EnumName{JpegBy::kNobody, "none"}, EnumName{JpegBy::kOwn, "own"},
                    EnumName{JpegBy::kOwnPair, "own_pair"}, EnumName{JpegBy::kLibjpegTurbo, "libjpeg_turbo"},
                    EnumName{JpegBy::kGpu, "gpu"}};
}
/// kNobody: it is no JPEG.
constexpr JpegBy WhoDecoded(const DecodeReport& report) {
  if (report.format != Format::kJpeg) return JpegBy::kNobody;
  if (report.on_gpu) return JpegBy::kGpu;
  if (!report.own_jpeg_decoder) return JpegBy::kLibjpegTurbo;
  return report.in_pair ? JpegBy::kOwnPair : JpegBy::kOwn;
}

/// Photos that wait, for a decoder that can begin one while it works on another. Used on the decoder's
/// thread.
class JobFeed {
 public:
  virtual ~JobFeed() = default;
  /// The next photo if one waits, borrowed until it is finished; null: none does. Better one that may be
  /// paired: another one waits for the first one's end. Never blocks.
  virtual const DecodeJob* Next() = 0;
  /// What became of a photo, the first one too. Each once, in the order in which they are done.
  virtual void Finish(const DecodeJob& job, Result<DecodeReport> report) = 0;
};

/// Turns encoded photos into model-sized pixels. THE contract of decode/: the in-process decoder and the
/// sandboxed worker process both implement it, with the same results bit for bit.
/// One Decoder per worker thread; not thread-safe; keeps its scratch memory between calls.
class Decoder {
 public:
  virtual ~Decoder() = default;

  /// Blocks until the slot is full or the photo is refused; on failure the slot's contents are undefined.
  /// Errors: kUnsupportedFormat (empty, unknown or known-but-refused content), kImageCorrupt (truncated
  /// data included), kTooManyPixels, kDecodeLimit, kBodyTooLarge (encoded size over max_file_bytes).
  virtual Result<DecodeReport> Decode(const DecodeJob& job) = 0;

  /// Decodes `first` and, two at a time, what `feed` has meanwhile, which is faster than one after the other:
  /// docs/jpeg.md. Results and errors of each are those of Decode(). Blocks until all that it took is
  /// finished. By default it takes no more than the first.
  virtual void DecodeFeed(const DecodeJob& first, JobFeed& feed) { feed.Finish(first, Decode(first)); }
};

/// Whether decoders may gain anything by decoding this photo beside another one: by its first bytes it is a
/// JPEG, and the own JPEG decoder is there and wanted. Nanoseconds.
bool MayPair(std::span<const uint8_t> encoded, const DecodeOptions& options);

/// Decodes on the calling thread.
std::unique_ptr<Decoder> MakeInProcessDecoder();

}  // namespace photovec::decode
