// SPDX-License-Identifier: MIT
#include "decode/formats/libraries.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <vector>

#include "decode/formats/formats.h"
#include "decode/formats/heif/support.h"
#include "decode/formats/jpeg2000/library.h"
#include "decode/formats/jxl/library.h"
#include "decode/formats/tiff/library.h"

namespace photovec::decode {
namespace {

LibrarySupport LoadLibheif() {
  const HeifSupport& heif = EnableHeif();
  return {(heif.hevc ? FormatBit(Format::kHeif) : 0) | (heif.av1 ? FormatBit(Format::kAvif) : 0),
          heif.detail};
}

constexpr std::array kLibraries = {
    LibraryEntry{"libheif", "HEIC and AVIF", FormatBit(Format::kHeif) | FormatBit(Format::kAvif),
                 &LoadLibheif},
    LibraryEntry{"libtiff", "TIFF", FormatBit(Format::kTiff), &LoadLibtiff},
    LibraryEntry{"libjxl", "JPEG XL", FormatBit(Format::kJxl), &LoadLibjxl},
    LibraryEntry{"OpenJPEG", "JPEG 2000", FormatBit(Format::kJpeg2000), &LoadOpenjpeg},
};

/// Of the process, because the libraries are. Written by EnableLibraries() only; empty before.
std::vector<LibrarySupport>& Loaded() {
  static std::vector<LibrarySupport> loaded;
  return loaded;
}

uint32_t LoadedFormats() {
  uint32_t formats = 0;
  for (const LibrarySupport& library : Loaded()) formats |= library.formats;
  return formats;
}

bool IsSupported(Format format, uint32_t loaded) {
  const bool needs_library =
      std::any_of(kLibraries.begin(), kLibraries.end(),
                  [&](const LibraryEntry& entry) { return (entry.formats & FormatBit(format)) != 0; });
  return !needs_library || (loaded & FormatBit(format)) != 0;
}

}  // namespace

std::span<const LibraryEntry> Libraries() { return kLibraries; }

void EnableLibraries() {
  if (!Loaded().empty()) return;
  for (const LibraryEntry& entry : kLibraries) Loaded().push_back(entry.load());
}

std::span<const LibrarySupport> LoadedLibraries() { return Loaded(); }

Status CheckSupport(Format format) {
  const FormatEntry* entry = FindFormat(format);
  if (entry == nullptr || IsSupported(format, LoadedFormats())) return Status::Ok();
  const std::string title(entry->title);
  if (Loaded().empty()) {
    return {Code::kUnsupportedFormat, title + " images are decoded only with --decode=process"};
  }
  std::string why;
  for (size_t i = 0; i < kLibraries.size(); ++i) {
    if ((kLibraries.at(i).formats & FormatBit(format)) != 0) why = Loaded().at(i).detail;
  }
  return {Code::kUnsupportedFormat, title + " images cannot be decoded here: " + why};
}

std::vector<std::string> SupportedTitles(uint32_t loaded) {
  std::vector<std::string> titles;
  for (const FormatEntry& entry : Formats()) {
    if (IsSupported(entry.format, loaded)) titles.emplace_back(entry.title);
  }
  return titles;
}

std::string SupportedFormats() {
  const std::vector<std::string> titles = SupportedTitles(LoadedFormats());
  std::string text;
  for (size_t i = 0; i < titles.size(); ++i) {
    text.append(i == 0 ? "" : i + 1 == titles.size() ? " and " : ", ").append(titles[i]);
  }
  return text;
}

Result<void*> OpenLibrary(std::string_view name, std::span<const char* const> files,
                          std::string_view package) {
  for (const char* file : files) {
    if (void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL); library != nullptr) return library;
  }
  return Status(Code::kUnsupportedFormat,
                std::string(name) + " is not installed: apt-get install " + std::string(package));
}

bool FindSymbol(void* library, const char* name, void** function) {
  *function = dlsym(library, name);
  return *function != nullptr;
}

}  // namespace photovec::decode
