// SPDX-License-Identifier: MIT
#include "decode/formats/tiff/library.h"

#include <array>
#include <cstdlib>
#include <string>

namespace photovec::decode {
namespace {

using Opened = OpenedLibrary<TiffApi>;

bool FindAll(void* library, TiffApi* api) {
  return FindFunction(library, "TIFFGetVersion", &api->get_version) &&
         FindFunction(library, "TIFFClientOpen", &api->client_open) &&
         FindFunction(library, "TIFFClose", &api->close) &&
         FindFunction(library, "TIFFGetField", &api->get_field) &&
         FindFunction(library, "TIFFGetFieldDefaulted", &api->get_field_defaulted) &&
         FindFunction(library, "TIFFSetField", &api->set_field) &&
         FindFunction(library, "TIFFIsTiled", &api->is_tiled) &&
         FindFunction(library, "TIFFIsCODECConfigured", &api->is_configured) &&
         FindFunction(library, "TIFFScanlineSize64", &api->scanline_size) &&
         FindFunction(library, "TIFFReadScanline", &api->read_scanline) &&
         FindFunction(library, "TIFFTileSize64", &api->tile_size) &&
         FindFunction(library, "TIFFComputeTile", &api->compute_tile) &&
         FindFunction(library, "TIFFRGBAImageBegin", &api->rgba_begin) &&
         FindFunction(library, "TIFFRGBAImageGet", &api->rgba_get) &&
         FindFunction(library, "TIFFRGBAImageEnd", &api->rgba_end) &&
         FindFunction(library, "TIFFReadEncodedTile", &api->read_tile) &&
         FindFunction(library, "TIFFSetErrorHandler", &api->set_error_handler) &&
         FindFunction(library, "TIFFSetWarningHandler", &api->set_warning_handler) &&
         FindFunction(library, "TIFFSetErrorHandlerExt", &api->set_error_handler_ext);
}

/// "4.5.0" of "LIBTIFF, Version 4.5.0\nCopyright ...".
std::string VersionOf(const TiffApi& api) {
  const std::string text = api.get_version();
  const size_t begin = text.find_first_of("0123456789");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_first_not_of("0123456789.", begin) - begin);
}

/// libtiff sorts its tags for each file. The qsort() of glibc before 2.37 asks the kernel for the machine's
/// memory when it first sorts more than a kilobyte, which a locked-in worker may not.
void SortOnce() {
  std::array<int, 1024> numbers{};
  std::qsort(numbers.data(), numbers.size(), sizeof(int), [](const void* a, const void* b) {
    return *static_cast<const int*>(a) - *static_cast<const int*>(b);
  });
}

}  // namespace

LibrarySupport LoadLibtiff() {
  static constexpr std::array kFiles = {"libtiff.so.6"};
  const Result<void*> library = OpenLibrary("libtiff", kFiles, "libtiff6");
  if (!library.ok()) return {0, library.status().message()};
  Opened& state = Opened::Get();
  if (!FindAll(*library, &state.api)) return {0, "the installed libtiff is too old; 4.5 is needed"};
  SortOnce();
  state.loaded = true;
  // They would print; what libtiff says of one file is caught where that is opened.
  state.api.set_error_handler(nullptr);
  state.api.set_warning_handler(nullptr);
  return {FormatBit(Format::kTiff), "libtiff " + VersionOf(state.api)};
}

const TiffApi* GetTiffApi() { return Opened::Get().loaded ? &Opened::Get().api : nullptr; }

}  // namespace photovec::decode
