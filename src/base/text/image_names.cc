// SPDX-License-Identifier: MIT
#include "base/text/image_names.h"

#include <algorithm>
#include <array>

#include "base/text/ascii.h"

namespace photovec {
namespace {

/// By format, as in decode/formats/formats.cc.
constexpr std::array<std::string_view, 53> kImages = {
    ".jpg",  ".jpeg",  ".jpe", ".jfif",  ".jif",   ".mpo",          // JPEG
    ".png",  ".apng",                                               // PNG
    ".webp", ".gif",                                                //
    ".heic", ".heif",  ".hif", ".heics", ".heifs",                  // HEIC
    ".avif", ".avifs",                                              // AVIF
    ".tif",  ".tiff",  ".tf8", ".btf",                              // TIFF and BigTIFF
    ".bmp",  ".dib",                                                // BMP
    ".pnm",  ".ppm",   ".pgm", ".pbm",   ".pam",                    // PNM
    ".qoi",  ".ico",   ".jxl",                                      //
    ".jp2",  ".j2k",   ".j2c", ".jpc",   ".jpf",   ".jpx", ".jpm",  // JPEG 2000
    ".dng",  ".cr2",   ".cr3", ".nef",   ".nrw",   ".arw", ".sr2",  // camera raw
    ".raf",  ".orf",   ".rw2", ".rwl",   ".pef",   ".srw", ".3fr", ".iiq",
};
constexpr std::array<std::string_view, 22> kVideos = {
    ".mp4", ".mov", ".m4v", ".avi",  ".mkv", ".webm", ".3gp",  ".3g2", ".mts", ".m2ts", ".ts",
    ".wmv", ".flv", ".mpg", ".mpeg", ".vob", ".ogv",  ".insv", ".lrv", ".mxf", ".asf",  ".dv"};
constexpr std::array<std::string_view, 11> kSounds = {".mp3", ".wav",  ".m4a", ".aac", ".flac", ".ogg",
                                                      ".wma", ".opus", ".aif", ".amr", ".aiff"};

template <size_t kSize>
bool Has(const std::array<std::string_view, kSize>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool HasImageName(std::string_view name) { return Has(kImages, ExtensionOf(name)); }

std::string ExtensionOf(std::string_view name) {
  constexpr size_t kLongest = 10;
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot + 1 == name.size() || name.size() - dot > kLongest + 1) return {};
  std::string extension = LowerAscii(name.substr(dot));
  const bool plain = std::all_of(extension.begin() + 1, extension.end(),
                                 [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
  return plain ? extension : std::string();
}

std::string_view MediaKindOf(std::string_view extension) {
  if (Has(kVideos, extension)) return "videos";
  return Has(kSounds, extension) ? "sounds" : std::string_view();
}

}  // namespace photovec
