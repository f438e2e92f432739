// SPDX-License-Identifier: MIT
// Decodes files and writes pixels to stdout, for test_decode.py and for runs over corpora by hand.
//
//   decode_probe pixels|white FILE...     "ok W H ORIENTATION\n" + W*H*3 bytes, or "CODE MESSAGE\n"
//
//   decode_probe tolerant FILE...         of damaged ones "damaged W H ORIENTATION ROWS_OK\n" + pixels
//
//   decode_probe damage FILE...           eight lines each, one for each way to decode it (strict or
//                                         tolerant, exact or fast, by whom): code, rows_ok, message
//
//   decode_probe srgb FILE...             pixels through the file's ICC profile
//
//   decode_probe heif|heifwhite FILE...   pixels (over white), with the libraries that workers open,
//                                         in this process: for trusted files
//
//   decode_probe model|fast SIDE FILE...  the [SIDE,SIDE,3] slot of a CLIP spec: same form
//
//   decode_probe check FILE...            code, W, H, CPU ms, peak RSS MiB so far, path, message
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "decode/color/transform.h"
#include "decode/decoder.h"
#include "decode/formats/libraries.h"
#include "decode/header_probe.h"
#include "decode/limits.h"
#include "decode/pixel_decoder.h"

namespace photovec::decode {
namespace {

/// Empty when it cannot be read, which no decoder takes.
std::vector<uint8_t> ReadPhoto(const char* path) {
  const Result<std::string> bytes = ReadFile(path, uint64_t{1} << 30);
  if (!bytes.ok()) return {};
  return {bytes->begin(), bytes->end()};
}

/// Full decode in stored order, with default limits.
Result<ImageHeader> Pixels(std::span<const uint8_t> encoded, AlphaMode alpha, CodecScratch* scratch,
                           RgbImage* out, DamagedMode damaged = DamagedMode::kStrict) {
  PixelRequest request;
  request.damaged = damaged;
  scratch->damaged_after_rows = -1;
  request.encoded = encoded;
  request.alpha = alpha;
  if (Status status = CheckFileSize(encoded.size(), request.limits); !status.ok()) return status;
  Result<ImageHeader> header = ProbeHeader(encoded);
  if (!header.ok()) return header;
  if (Status status = CheckHeader(*header, 1, alpha, request.limits); !status.ok()) return status;
  request.header = &header.value();
  if (Status status = DecodePixels(request, scratch, out); !status.ok()) return status;
  return header;
}

void Put(int width, int height, int orientation, const uint8_t* data) {
  std::printf("ok %d %d %d\n", width, height, orientation);
  std::fwrite(data, 1, static_cast<size_t>(width) * static_cast<size_t>(height) * 3, stdout);
}

void PutSrgb(const char* path, ColorConverter* converter, CodecScratch* scratch, RgbImage* image) {
  const std::vector<uint8_t> encoded = ReadPhoto(path);
  const Result<ImageHeader> header = Pixels(encoded, AlphaMode::kDrop, scratch, image);
  if (!header.ok()) {
    std::printf("%s\n", header.status().ToString().c_str());
    return;
  }
  converter->Convert(encoded, *header, {}, image);
  Put(image->width(), image->height(), header->orientation, image->data());
}

void PutPixels(const char* path, AlphaMode alpha, CodecScratch* scratch, RgbImage* image) {
  const std::vector<uint8_t> encoded = ReadPhoto(path);
  const Result<ImageHeader> header = Pixels(encoded, alpha, scratch, image);
  if (!header.ok()) {
    std::printf("%s\n", header.status().ToString().c_str());
  } else {
    Put(image->width(), image->height(), header->orientation, image->data());
  }
}

void PutTolerant(const char* path, CodecScratch* scratch, RgbImage* image) {
  const std::vector<uint8_t> encoded = ReadPhoto(path);
  const Result<ImageHeader> header =
      Pixels(encoded, AlphaMode::kDrop, scratch, image, DamagedMode::kTolerant);
  if (!header.ok() || scratch->damaged_after_rows < 0) {
    PutPixels(path, AlphaMode::kDrop, scratch, image);
    return;
  }
  std::printf("damaged %d %d %d %d\n", image->width(), image->height(), header->orientation,
              scratch->damaged_after_rows);
  std::fwrite(image->data(), 1, image->stride() * static_cast<size_t>(image->height()), stdout);
}

void PutDamage(const char* path, Decoder* decoder) {
  const preprocess::Spec spec;
  std::vector<uint8_t> slot(spec.slot_bytes());
  const std::vector<uint8_t> encoded = ReadPhoto(path);
  DecodeJob job;
  job.encoded = encoded;
  job.spec = &spec;
  job.out = slot;
  for (const DamagedMode damaged : {DamagedMode::kStrict, DamagedMode::kTolerant}) {
    for (const JpegScaling scaling : {JpegScaling::kExact, JpegScaling::kFast}) {
      for (const JpegChoice choice : {JpegChoice::kAuto, JpegChoice::kLibjpegTurbo}) {
        job.options.damaged = damaged;
        job.options.jpeg_scaling = scaling;
        job.options.jpeg_decoder = choice;
        const Result<DecodeReport> report = decoder->Decode(job);
        std::printf("%s\t%s\t%s\t%s\t%d\t%s\n", std::string(NameOf(damaged)).c_str(),
                    std::string(NameOf(scaling)).c_str(), std::string(NameOf(choice)).c_str(),
                    std::string(report.status().name()).c_str(),
                    report.ok() && report->damaged ? report->rows_ok : -1, report.status().message().c_str());
      }
    }
  }
}

double CpuMs() { return Seconds(ProcessCpuTime()) * 1e3; }

void Check(const char* path, CodecScratch* scratch, RgbImage* image) {
  const std::vector<uint8_t> encoded = ReadPhoto(path);
  const double start = CpuMs();
  const Result<ImageHeader> header = Pixels(encoded, AlphaMode::kDrop, scratch, image);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%s\t%d\t%d\t%.1f\t%ld\t%s\t%s\n", std::string(header.status().name()).c_str(),
              header.ok() ? header->width : 0, header.ok() ? header->height : 0, CpuMs() - start,
              usage.ru_maxrss / 1024, path, header.status().message().c_str());
}

void PutSlot(const char* path, int side, JpegScaling scaling, Decoder* decoder) {
  preprocess::Spec spec;
  spec.resize_short = side;
  spec.crop = side;
  std::vector<uint8_t> slot(spec.slot_bytes());
  const std::vector<uint8_t> encoded = ReadPhoto(path);
  DecodeJob job;
  job.encoded = encoded;
  job.spec = &spec;
  job.options.jpeg_scaling = scaling;
  job.out = slot;
  const Result<DecodeReport> report = decoder->Decode(job);
  if (!report.ok()) {
    std::printf("%s\n", report.status().ToString().c_str());
  } else {
    Put(side, side, report->orientation, slot.data());
  }
}

}  // namespace

int Main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  CodecScratch scratch;
  RgbImage image;
  if (mode == "damage") {
    const auto decoder = MakeInProcessDecoder();
    for (int i = 2; i < argc; ++i) PutDamage(argv[i], decoder.get());
    return 0;
  }
  if (mode == "model" || mode == "fast") {
    const auto decoder = MakeInProcessDecoder();
    const JpegScaling scaling = mode == "fast" ? JpegScaling::kFast : JpegScaling::kExact;
    for (int i = 3; i < argc; ++i) PutSlot(argv[i], std::atoi(argv[2]), scaling, decoder.get());
    return 0;
  }
  ColorConverter converter;
  if (mode.starts_with("heif") || mode == "srgb") EnableLibraries();
  for (int i = 2; i < argc; ++i) {
    if (mode == "srgb") {
      PutSrgb(argv[i], &converter, &scratch, &image);
    } else if (mode == "tolerant") {
      PutTolerant(argv[i], &scratch, &image);
    } else if (mode == "check") {
      Check(argv[i], &scratch, &image);
      std::fflush(stdout);
    } else {
      PutPixels(argv[i], mode.ends_with("white") ? AlphaMode::kWhite : AlphaMode::kDrop, &scratch, &image);
    }
  }
  return argc > 2 ? 0 : 2;
}

}  // namespace photovec::decode

int main(int argc, char** argv) { return photovec::decode::Main(argc, argv); }
