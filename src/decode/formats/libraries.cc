// SPDX-License-Identifier: MIT
#include "decode/formats/libraries.h"

#include <dlfcn.h>

#include <array>
#include <vector>

#include "decode/formats/formats.h"
#include "decode/formats/heif/support.h"
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
};

/// Of the process, because the libraries are. Written by EnableLibraries() only; empty before.
std::vector<LibrarySupport>& Loaded() {
  static std::vector<LibrarySupport> loaded;
  return loaded;
}

bool IsSupported(Format format) {
  for (size_t i = 0; i < kLibraries.size(); ++i) {
    if ((kLibraries.at(i).formats & FormatBit(format)) == 0) continue;
    return !Loaded().empty() && (Loaded().at(i).formats & FormatBit(format)) != 0;
  }
  return true;
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
  if (entry == nullptr || IsSupported(format)) return Status::Ok();
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

std::string SupportedFormats() {
  std::vector<std::string_view> titles;
  for (const FormatEntry& entry : Formats()) {
    if (IsSupported(entry.format)) titles.push_back(entry.title);
  }
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
