// SPDX-License-Identifier: MIT
#include "decode/sniff.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <string_view>

#include "base/text/ascii.h"
#include "decode/byte_reader.h"
#include "decode/formats/libraries.h"
#include "decode/formats/raw/signature.h"

namespace photovec::decode {
namespace {

using namespace std::string_view_literals;

/// One thing that people send although it is not a supported photo.
struct Lookalike {
  size_t offset;
  std::string_view signature;
  std::string_view what;
};

constexpr std::array kLookalikes = {
    Lookalike{0, "%PDF-"sv, "a PDF document"},
    Lookalike{0, "%!PS"sv, "a PostScript document"},
    Lookalike{0, "\xC5\xD0\xD3\xC6"sv, "an EPS document"},
    Lookalike{0, "8BPS"sv, "a Photoshop document"},
    Lookalike{0, "8BPB"sv, "a Photoshop document"},
    Lookalike{0, "BM"sv, "a BMP image whose header is of no known kind"},
    Lookalike{0, "\0\0\2\0"sv, "a CUR cursor or a TGA image"},
    Lookalike{0, "\x76\x2F\x31\x01"sv, "an OpenEXR image"},
    Lookalike{0, "#?RADIANCE"sv, "a Radiance HDR image"},
    Lookalike{0, "#?RGBE"sv, "a Radiance HDR image"},
    Lookalike{0, "DDS "sv, "a DDS texture"},
    Lookalike{0, "\xABKTX"sv, "a KTX texture"},
    Lookalike{0, "\x0A\5\1"sv, "a PCX image"},
    Lookalike{0, "\x0A\3\1"sv, "a PCX image"},
    Lookalike{0, "icns"sv, "an ICNS icon"},
    Lookalike{0, "PF\n"sv, "a PFM image"},
    Lookalike{0, "Pf\n"sv, "a PFM image"},
    Lookalike{0, "\x01\xDA"sv, "an SGI image"},
    Lookalike{0, "\x59\xA6\x6A\x95"sv, "a Sun raster image"},
    Lookalike{0, "/* XPM */"sv, "an XPM image"},
    Lookalike{0, "SIMPLE  ="sv, "a FITS image"},
    Lookalike{0, "gimp xcf"sv, "a GIMP document"},
    Lookalike{0, "AT&TFORM"sv, "a DjVu document"},
    Lookalike{0, "II\xBC\1"sv, "a JPEG XR image"},
    Lookalike{0, "FLV\1"sv, "a Flash video"},
    Lookalike{0, "\0\0\1\xBA"sv, "an MPEG video"},
    Lookalike{0, "\0\0\1\xB3"sv, "an MPEG video"},
    Lookalike{0, "OggS"sv, "an Ogg file"},
    Lookalike{0, "ID3"sv, "an MP3 file"},
    Lookalike{0, "fLaC"sv, "a FLAC file"},
    Lookalike{8, "WAVE"sv, "a WAV file"},
    Lookalike{128, "DICM"sv, "a DICOM file"},
    Lookalike{0, "\x89HDF"sv, "an HDF5 file"},
    Lookalike{6, "HEAPCCDR"sv, "a Canon CRW raw file"},
    Lookalike{0, "FOVb"sv, "a Sigma X3F raw file"},
    Lookalike{0, "\0MRM"sv, "a Minolta MRW raw file"},
    Lookalike{0, "\xFF\x0A"sv, "a JPEG XL image"},
    Lookalike{0, "\0\0\0\x0CJXL "sv, "a JPEG XL image"},
    Lookalike{0, "\0\0\0\x0CjP  "sv, "a JPEG 2000 image"},
    Lookalike{0, "\xFF\x4F\xFF\x51"sv, "a JPEG 2000 image"},
    Lookalike{0, "\x8AMNG\r\n\x1A\n"sv, "an MNG animation"},
    Lookalike{4, "moov"sv, "a QuickTime video"},
    Lookalike{4, "mdat"sv, "a QuickTime video"},
    Lookalike{4, "wide"sv, "a QuickTime video"},
    Lookalike{8, "AVI "sv, "an AVI video"},
    Lookalike{0, "\x1A\x45\xDF\xA3"sv, "a WebM or Matroska video"},
    Lookalike{0, "\x1F\x8B"sv, "gzip-compressed data (send the image itself)"},
    Lookalike{0, "PK\3\4"sv, "a ZIP archive"},
    Lookalike{0, "\x80\4\x95"sv, "a Python pickle"},
    Lookalike{0, "data:image/"sv, "the text of a data URL (send the bytes, or name it as a reference)"},
    Lookalike{0, "/9j/"sv, "base64 text of a JPEG (decode it before sending, or send a data URL)"},
    Lookalike{0, "iVBORw0KGgo"sv, "base64 text of a PNG (decode it before sending, or send a data URL)"},
};

struct Signature {
  std::string_view text;
  Format format;
};

/// Of formats that nothing but their beginning tells.
constexpr std::array kSignatures = {
    Signature{"II*\0"sv, Format::kTiff},
    Signature{"MM\0*"sv, Format::kTiff},
    Signature{"II+\0"sv, Format::kTiff},
    Signature{"MM\0+"sv, Format::kTiff},
    Signature{"qoif"sv, Format::kQoi},
    Signature{"\xFF\x0A"sv, Format::kJxl},
    Signature{"\0\0\0\x0CJXL \r\n\x87\n"sv, Format::kJxl},
    Signature{"\0\0\0\x0CjP  \r\n\x87\n"sv, Format::kJpeg2000},
    Signature{"\xFF\x4F\xFF\x51"sv, Format::kJpeg2000},
};

constexpr std::string_view kTgaFooter = "TRUEVISION-XFILE.\0"sv;

/// The format that one brand of an ISO base media file promises; kUnknown for brands of videos, and for those
/// that say no more than "HEIF" (mif1, msf1). Source: ISO/IEC 23008-12 annex B and D, AVIF §6.
Format BrandFormat(std::span<const uint8_t> bytes, size_t at) {
  for (const std::string_view brand : {"avif", "avis"}) {
    if (HasAt(bytes, at, brand)) return Format::kAvif;
  }
  for (const std::string_view brand : {"heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"}) {
    if (HasAt(bytes, at, brand)) return Format::kHeif;
  }
  return Format::kUnknown;
}

/// Of a file that begins with "ftyp": its main brand decides, then the first of the compatible ones that says
/// enough.
Format MediaFormat(std::span<const uint8_t> bytes) {
  ByteReader reader(bytes);
  const size_t end = std::min<size_t>(bytes.size(), reader.U32Be());
  Format format = BrandFormat(bytes, 8);
  bool heif = false;
  // At 12 lies the version of the main brand.
  for (size_t at = 8; at < end && format == Format::kUnknown; at += at == 8 ? 8 : 4) {
    format = BrandFormat(bytes, at);
    heif = heif || HasAt(bytes, at, "mif1") || HasAt(bytes, at, "msf1");
  }
  return format == Format::kUnknown && heif ? Format::kHeif : format;
}

/// What there is to be had, in this process.
std::string Supported() { return "supported are " + SupportedFormats(); }

/// Text after white space and a byte-order mark, lower-cased, at most 512 characters.
std::string TextStart(std::span<const uint8_t> bytes) {
  size_t begin = HasAt(bytes, 0, "\xEF\xBB\xBF") ? 3 : 0;
  while (begin < bytes.size() && begin < 512 && std::isspace(bytes[begin]) != 0) ++begin;
  std::string text;
  for (size_t i = begin; i < bytes.size() && text.size() < 512; ++i) {
    text.push_back(LowerAscii(static_cast<char>(bytes[i])));
  }
  return text;
}

std::string_view TextKind(std::span<const uint8_t> bytes) {
  const std::string text = TextStart(bytes);
  const bool markup = text.starts_with('<');
  if (markup && text.find("<svg") != std::string::npos) return "an SVG drawing";
  if (text.starts_with("<!doctype html") || (markup && text.find("<html") != std::string::npos)) {
    return "an HTML page (a login or error page instead of the photo?)";
  }
  if (text.starts_with("<?xml") || text.starts_with("<error>")) {
    return "an XML document (an object store's error message?)";
  }
  if (text.starts_with('{') || text.starts_with('[')) return "JSON text";
  const auto printable = [](char c) {
    return std::isprint(static_cast<unsigned char>(c)) != 0 || c == '\n' || c == '\r' || c == '\t';
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), printable)) return "plain text";
  return {};
}

/// Two letters are little: a known size of the header behind them, too. Source: the headers' names in
/// docs/images.md.
bool IsBmp(std::span<const uint8_t> bytes) {
  constexpr std::array<uint32_t, 8> kHeaderSizes = {12, 16, 40, 52, 56, 64, 108, 124};
  if (!HasAt(bytes, 0, "BM")) return false;
  ByteReader reader(bytes);
  reader.Skip(14);
  return std::find(kHeaderSizes.begin(), kHeaderSizes.end(), reader.U32Le()) != kHeaderSizes.end();
}

/// "P1" to "P7", white space or a comment, and what a header goes on with: prose begins with these letters,
/// too.
bool IsPnm(std::span<const uint8_t> bytes) {
  if (bytes.size() < 4 || bytes[0] != 'P' || bytes[1] < '1' || bytes[1] > '7') return false;
  size_t at = 2;
  while (at < bytes.size() && at < 64 && std::isspace(bytes[at]) != 0) ++at;
  if (at == bytes.size() || (at == 2 && bytes[at] != '#')) return false;
  if (bytes[at] == '#') return true;
  if (bytes[1] < '7') return std::isdigit(bytes[at]) != 0;
  constexpr std::array<std::string_view, 5> kWords = {"WIDTH", "HEIGHT", "DEPTH", "MAXVAL", "TUPLTYPE"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return HasAt(bytes, at, word); });
}

/// A directory of at least one picture whose bytes lie behind it.
bool IsIco(std::span<const uint8_t> bytes) {
  if (!HasAt(bytes, 0, "\0\0\1\0"sv)) return false;
  ByteReader reader(bytes);
  reader.Skip(4);
  const uint32_t count = reader.U16Le();
  reader.Skip(12);
  const uint32_t at = reader.U32Le();
  return !reader.failed() && count > 0 && at >= 6 + 16 * count;
}

bool StartsOrIsCut(std::span<const uint8_t> bytes, std::string_view signature) {
  const size_t length = std::min(bytes.size(), signature.size());
  return length >= 2 && HasAt(bytes, 0, signature.substr(0, length));
}

}  // namespace

Format Sniff(std::span<const uint8_t> encoded) {
  if (StartsOrIsCut(encoded, "\xFF\xD8\xFF")) return Format::kJpeg;
  if (StartsOrIsCut(encoded, "\x89PNG\r\n\x1A\n")) return Format::kPng;
  if (StartsOrIsCut(encoded, "GIF87a") || StartsOrIsCut(encoded, "GIF89a")) return Format::kGif;
  if (HasAt(encoded, 0, "RIFF") && HasAt(encoded, 8, "WEBP")) return Format::kWebp;
  if (encoded.size() < 12 && StartsOrIsCut(encoded, "RIFF")) return Format::kWebp;
  if (IsCameraRaw(encoded)) return Format::kRaw;
  if (HasAt(encoded, 4, "ftyp")) return MediaFormat(encoded);
  for (const Signature& known : kSignatures) {
    if (HasAt(encoded, 0, known.text)) return known.format;
  }
  if (IsBmp(encoded)) return Format::kBmp;
  if (IsIco(encoded)) return Format::kIco;
  if (IsPnm(encoded)) return Format::kPnm;
  return Format::kUnknown;
}

std::string DescribeUnsupported(std::span<const uint8_t> encoded) {
  if (encoded.empty()) return "the image is empty (0 bytes); " + Supported();
  std::string_view what;
  for (const Lookalike& known : kLookalikes) {
    if (HasAt(encoded, known.offset, known.signature)) {
      what = known.what;
      break;
    }
  }
  if (what.empty() && HasAt(encoded, 4, "ftyp")) {
    what = HasAt(encoded, 8, "mif3") ? "a HEIF image of the 'mini' form" : "an MP4 or QuickTime video";
  }
  if (what.empty() && encoded.size() > kTgaFooter.size() &&
      HasAt(encoded, encoded.size() - kTgaFooter.size(), kTgaFooter)) {
    what = "a TGA image";
  }
  if (what.empty()) what = TextKind(encoded);
  if (what.empty()) return "the bytes are no known image format; " + Supported();
  return "this looks like " + std::string(what) + "; " + Supported();
}

}  // namespace photovec::decode
