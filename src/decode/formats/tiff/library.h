// SPDX-License-Identifier: MIT
#pragma once

#include <tiffio.h>

#include "decode/formats/libraries.h"

namespace photovec::decode {

/// The functions of libtiff that are used, by their names there without "TIFF".
struct TiffApi {
  decltype(&TIFFGetVersion) get_version = nullptr;
  decltype(&TIFFClientOpen) client_open = nullptr;
  decltype(&TIFFClose) close = nullptr;
  decltype(&TIFFGetField) get_field = nullptr;
  decltype(&TIFFGetFieldDefaulted) get_field_defaulted = nullptr;
  decltype(&TIFFSetField) set_field = nullptr;
  decltype(&TIFFIsTiled) is_tiled = nullptr;
  decltype(&TIFFIsCODECConfigured) is_configured = nullptr;
  decltype(&TIFFScanlineSize64) scanline_size = nullptr;
  decltype(&TIFFReadScanline) read_scanline = nullptr;
  decltype(&TIFFTileSize64) tile_size = nullptr;
  decltype(&TIFFComputeTile) compute_tile = nullptr;
  decltype(&TIFFReadEncodedTile) read_tile = nullptr;
  decltype(&TIFFRGBAImageBegin) rgba_begin = nullptr;
  decltype(&TIFFRGBAImageGet) rgba_get = nullptr;
  decltype(&TIFFRGBAImageEnd) rgba_end = nullptr;
  decltype(&TIFFSetErrorHandler) set_error_handler = nullptr;
  decltype(&TIFFSetWarningHandler) set_warning_handler = nullptr;
  decltype(&TIFFSetErrorHandlerExt) set_error_handler_ext = nullptr;
};

/// As LibraryEntry::load.
LibrarySupport LoadLibtiff();

/// nullptr when it was not loaded.
const TiffApi* GetTiffApi();

}  // namespace photovec::decode
