// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/status.h"
#include "decode/decoder.h"

/// Codec libraries that are not linked but opened by name, in the sandboxed worker only and before it is
/// locked in: those with a bad record, and those that a machine may lack. Everywhere else their formats are
/// refused with a message that says what to do. To add one: its row in libraries.cc, with a function that
/// opens it.
namespace photovec::decode {

/// A set of formats.
constexpr uint32_t FormatBit(Format format) { return 1U << static_cast<uint32_t>(format); }

/// What a library gives to one process.
struct LibrarySupport {
  uint32_t formats = 0;  ///< bits of those that it decodes here
  /// "libtiff 4.5.0", or what is missing and what to do ("libtiff is not installed: apt-get install
  /// libtiff6").
  std::string detail;
};

struct LibraryEntry {
  std::string_view name;               ///< "libtiff"
  std::string_view title;              ///< what it gives, for people: "HEIC and AVIF"
  uint32_t formats = 0;                ///< bits of what it can give
  LibrarySupport (*load)() = nullptr;  ///< opens it for good; called once
};

/// All of them, in an order that both sides of the sandbox know.
std::span<const LibraryEntry> Libraries();

/// Opens them all, for good: every symbol is bound, nothing has to be opened afterwards. Only the sandboxed
/// worker calls this, and tests. Call at most once, before any other thread decodes.
void EnableLibraries();

/// What EnableLibraries() found, in the order of Libraries(); nothing when it was not called.
std::span<const LibrarySupport> LoadedLibraries();

/// kUnsupportedFormat when `format` is one that needs a library and this process does not have it, with what
/// to do; OK for others. Thread-safe after EnableLibraries().
Status CheckSupport(Format format);

/// What a process decodes for which libraries give the formats `loaded` (bits): all but the others of
/// Libraries(), by title, in the order of Format.
std::vector<std::string> SupportedTitles(uint32_t loaded);
/// Those of this process, for people: "JPEG, PNG, WebP, GIF, BMP, PNM, QOI and ICO".
std::string SupportedFormats();

/// A library by its file names, the best first, every symbol bound, never closed. Errors: kUnsupportedFormat,
/// "NAME is not installed: apt-get install PACKAGE".
Result<void*> OpenLibrary(std::string_view name, std::span<const char* const> files,
                          std::string_view package);

/// A library's functions. Of the process, because the library is; written by the function that opens it only.
template <typename Api>
struct OpenedLibrary {
  bool loaded = false;
  Api api;
  static OpenedLibrary& Get() {
    static OpenedLibrary opened;
    return opened;
  }
};

/// One function of a library; false when it has none of that name.
bool FindSymbol(void* library, const char* name, void** function);
template <typename Function>
bool FindFunction(void* library, const char* name, Function* function) {
  return FindSymbol(library, name, reinterpret_cast<void**>(function));
}

}  // namespace photovec::decode
