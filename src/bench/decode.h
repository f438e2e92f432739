// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json/writer.h"
#include "base/machine.h"
#include "base/result.h"
#include "decode/decoder.h"
#include "preprocess/spec.h"

namespace photovec::bench {

struct BenchDecodeOptions {
  std::vector<std::string> files;
  decode::DecodeOptions decode;
  preprocess::Spec spec;
  int seconds = 10;  ///< about how long to measure, after reading and checking the files
  int threads = 1;   ///< of the throughput part; per-core figures always come from one thread
  /// Called in the end with the photos that were measured; an error of it is the benchmark's. May be empty.
  std::function<Status(const std::vector<std::span<const uint8_t>>&)> afterwards;
};

/// Photos of one format and size class. Times are CPU time of one thread: the median over repetitions for
/// each photo, then the mean over photos.
struct BenchDecodeClass {
  std::string format;      ///< "jpeg", "jpeg progressive", "png", ...
  std::string size_class;  ///< "2-6 MP"
  int images = 0;
  double megapixels = 0;      ///< mean, of the source
  double kilobytes = 0;       ///< mean, encoded
  double bits_per_pixel = 0;  ///< encoded
  double decode_ms = 0;
  double preprocess_ms = 0;
  double images_per_s = 0;     ///< one core, decode + preprocess
  double source_mp_per_s = 0;  ///< one core, decode + preprocess
  double libjpeg_full_ms = 0;  ///< libjpeg-turbo alone, full-size RGB of the same files; 0 when not JPEG
  int own_images = 0;          ///< that the own JPEG decoder decoded (--jpeg-decoder=auto); of them:
  double own_ms = 0;           ///< decode by it, one at a time, without preprocessing
  int pair_images = 0;         ///< those of them that it decodes two at a time: the sequential ones
  double pair_ms = 0;          ///< one of these, from a queue of all of them, two at a time
  double pair_own_ms = 0;      ///< the same ones one at a time ...
  double pair_turbo_ms = 0;    ///< ... and by libjpeg-turbo
  double turbo_ms = 0;         ///< the same by libjpeg-turbo at the same scale, in turn, with the same pixels
};

struct BenchDecodeReport {
  Machine machine;
  decode::JpegScaling jpeg_scaling = decode::JpegScaling::kFast;
  decode::ColorMode color = decode::ColorMode::kIgnore;
  int crop = 0;
  int threads = 1;
  int images = 0;           ///< that were measured
  int skipped = 0;          ///< files left out because reading and checking all would have taken too long
  int repetitions = 0;      ///< of each photo, single thread
  double images_per_s = 0;  ///< all threads together, photos in turn
  double images_per_s_per_core = 0;
  double source_mp_per_s_per_core = 0;
  double libjpeg_full_ms = 0;  ///< mean over the JPEGs
  double jpeg_total_ms = 0;    ///< ours, decode + preprocess, mean over the same files
  std::vector<BenchDecodeClass> classes;
  std::vector<std::string> failures;  ///< "PATH: error" of files that did not decode, not measured
};

/// Reads the files into memory, decodes each twice to see that the answer is the same, then times them: first
/// one thread, photo by photo, ours, libjpeg-turbo in our place, and plain libjpeg-turbo in turn so that
/// noise hits all alike, and in each round each class as a queue that is decoded two at a time; then `threads` threads at once. Blocks for about `seconds` plus one pass over the files. Errors:
/// kInvalidRequest when no file decodes, kInternal when a photo decodes differently the second time, by
/// libjpeg-turbo, or beside another one.
Result<BenchDecodeReport> RunBenchDecode(const BenchDecodeOptions& options);

/// A table for people, several lines.
std::string ToText(const BenchDecodeReport& report);
/// The members of one JSON object: images_per_s, images_per_s_per_core, source_mp_per_s_per_core, classes,
/// machine, ...
/// \param json in an object that the caller opens and closes, since more may belong to it.
void WriteMembers(json::Writer& json, const BenchDecodeReport& report);

}  // namespace photovec::bench
