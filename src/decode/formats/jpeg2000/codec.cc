// SPDX-License-Identifier: MIT
#include <openjpeg.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>

#include "decode/byte_reader.h"
#include "decode/formats/formats.h"
#include "decode/formats/jpeg2000/library.h"
#include "decode/formats/jpeg2000/planes.h"

// OpenJPEG decodes, opened by name in the sandboxed worker only, without threads.
namespace photovec::decode {
namespace {

constexpr std::array kFiles = {"libopenjp2.so.7"};

/// The functions that are used, by their names in OpenJPEG.
struct Api {
  decltype(&opj_version) version = nullptr;
  decltype(&opj_stream_create) stream_create = nullptr;
  decltype(&opj_stream_destroy) stream_destroy = nullptr;
  decltype(&opj_stream_set_read_function) set_read = nullptr;
  decltype(&opj_stream_set_skip_function) set_skip = nullptr;
  decltype(&opj_stream_set_seek_function) set_seek = nullptr;
  decltype(&opj_stream_set_user_data) set_data = nullptr;
  decltype(&opj_stream_set_user_data_length) set_length = nullptr;
  decltype(&opj_create_decompress) codec_create = nullptr;
  decltype(&opj_destroy_codec) codec_destroy = nullptr;
  decltype(&opj_set_default_decoder_parameters) default_parameters = nullptr;
  decltype(&opj_setup_decoder) setup = nullptr;
  decltype(&opj_decoder_set_strict_mode) set_strict = nullptr;
  decltype(&opj_set_error_handler) set_error_handler = nullptr;
  decltype(&opj_read_header) read_header = nullptr;
  decltype(&opj_decode) decode = nullptr;
  decltype(&opj_end_decompress) end = nullptr;
  decltype(&opj_image_destroy) image_destroy = nullptr;
};

using Opened = OpenedLibrary<Api>;

bool FindAll(void* library, Api* api) {
  return FindFunction(library, "opj_version", &api->version) &&
         FindFunction(library, "opj_stream_create", &api->stream_create) &&
         FindFunction(library, "opj_stream_destroy", &api->stream_destroy) &&
         FindFunction(library, "opj_stream_set_read_function", &api->set_read) &&
         FindFunction(library, "opj_stream_set_skip_function", &api->set_skip) &&
         FindFunction(library, "opj_stream_set_seek_function", &api->set_seek) &&
         FindFunction(library, "opj_stream_set_user_data", &api->set_data) &&
         FindFunction(library, "opj_stream_set_user_data_length", &api->set_length) &&
         FindFunction(library, "opj_create_decompress", &api->codec_create) &&
         FindFunction(library, "opj_destroy_codec", &api->codec_destroy) &&
         FindFunction(library, "opj_set_default_decoder_parameters", &api->default_parameters) &&
         FindFunction(library, "opj_setup_decoder", &api->setup) &&
         FindFunction(library, "opj_decoder_set_strict_mode", &api->set_strict) &&
         FindFunction(library, "opj_set_error_handler", &api->set_error_handler) &&
         FindFunction(library, "opj_read_header", &api->read_header) &&
         FindFunction(library, "opj_decode", &api->decode) &&
         FindFunction(library, "opj_end_decompress", &api->end) &&
         FindFunction(library, "opj_image_destroy", &api->image_destroy);
}

/// The file as OpenJPEG's stream reads it. Functions by the contract of opj_stream_*_fn: -1 (and a size of
/// all ones) is the end.
struct Source {
  std::span<const uint8_t> bytes;
  size_t at = 0;
};

OPJ_SIZE_T ReadSource(void* to, OPJ_SIZE_T count, void* data) {
  auto* source = static_cast<Source*>(data);
  const size_t got = std::min<size_t>(count, source->bytes.size() - source->at);
  if (got == 0) return static_cast<OPJ_SIZE_T>(-1);
  std::memcpy(to, source->bytes.data() + source->at, got);
  source->at += got;
  return got;
}
OPJ_OFF_T SkipSource(OPJ_OFF_T count, void* data) {
  auto* source = static_cast<Source*>(data);
  if (count < 0 || static_cast<uint64_t>(count) > source->bytes.size() - source->at) return -1;
  source->at += static_cast<size_t>(count);
  return count;
}
OPJ_BOOL SeekSource(OPJ_OFF_T to, void* data) {
  auto* source = static_cast<Source*>(data);
  if (to < 0 || static_cast<uint64_t>(to) > source->bytes.size()) return OPJ_FALSE;
  source->at = static_cast<size_t>(to);
  return OPJ_TRUE;
}

/// Keeps the first of OpenJPEG's words, without its line end.
void KeepError(const char* message, void* data) {
  auto* words = static_cast<std::string*>(data);
  if (!words->empty() || message == nullptr) return;
  *words = message;
  while (!words->empty() && (words->back() == '\n' || words->back() == ' ')) words->pop_back();
}

Status Corrupt(const std::string& what) { return {Code::kImageCorrupt, "the JPEG 2000 is corrupt: " + what}; }

Jpeg2000Plane PlaneOf(const opj_image_comp_t& component) {
  Jpeg2000Plane plane;
  plane.samples = component.data;
  plane.width = static_cast<int>(component.w);
  plane.height = static_cast<int>(component.h);
  plane.dx = static_cast<int>(component.dx);
  plane.dy = static_cast<int>(component.dy);
  plane.x0 = static_cast<int>(component.x0);
  plane.y0 = static_cast<int>(component.y0);
  plane.bits = static_cast<int>(component.prec);
  plane.is_signed = component.sgnd != 0;
  return plane;
}

bool IsUsable(const opj_image_comp_t& component) {
  return component.data != nullptr && component.w >= 1 && component.h >= 1 && component.w <= INT32_MAX &&
         component.h <= INT32_MAX && component.dx >= 1 && component.dy >= 1 && component.dx <= 255 &&
         component.dy <= 255 && component.x0 <= INT32_MAX && component.y0 <= INT32_MAX &&
         component.prec >= 1 && component.prec <= 31;
}

/// What the numbers are, by the file's word or, without one, by their number and shape.
Jpeg2000Colors ColorsOf(const opj_image_t& image, size_t colors) {
  if (colors < 3) return Jpeg2000Colors::kGrey;
  if (colors == 4) return Jpeg2000Colors::kCmyk;
  if (image.color_space == OPJ_CLRSPC_SYCC || image.color_space == OPJ_CLRSPC_EYCC)
    return Jpeg2000Colors::kYcc;
  const bool subsampled = image.comps[0].dx == 1 && image.comps[1].dx > 1 && image.comps[2].dx > 1;
  const bool silent = image.color_space == OPJ_CLRSPC_UNSPECIFIED || image.color_space == OPJ_CLRSPC_UNKNOWN;
  return silent && subsampled ? Jpeg2000Colors::kYcc : Jpeg2000Colors::kRgb;
}

/// OpenJPEG has put colours in their order and applied palettes.
Status Paint(const opj_image_t& image, AlphaMode alpha, RgbImage* out) {
  const size_t count = image.numcomps;
  if (count < 1 || count > 5 || !std::all_of(image.comps, image.comps + count, IsUsable) ||
      image.x1 - image.x0 != static_cast<OPJ_UINT32>(out->width()) ||
      image.y1 - image.y0 != static_cast<OPJ_UINT32>(out->height()) || image.x1 > INT32_MAX ||
      image.y1 > INT32_MAX) {
    return Corrupt("its components do not fit together");
  }
  std::array<Jpeg2000Plane, 5> planes;
  size_t colors = 0;
  const opj_image_comp_t* opacity = nullptr;
  Jpeg2000Plane alpha_plane;
  Jpeg2000Picture picture;
  for (size_t i = 0; i < count; ++i) {
    if (image.comps[i].alpha == 0) {
      planes.at(colors++) = PlaneOf(image.comps[i]);
    } else if (opacity == nullptr) {
      opacity = &image.comps[i];
    }
  }
  const bool cmyk = image.color_space == OPJ_CLRSPC_CMYK;
  if (opacity != nullptr) {
    alpha_plane = PlaneOf(*opacity);
    picture.premultiplied = opacity->alpha == 2;
  } else if (colors == 2 || (colors == 4 && !cmyk)) {  // nothing says so, but what else would it be
    alpha_plane = planes.at(--colors);
  }
  if (alpha_plane.samples != nullptr) picture.alpha = &alpha_plane;
  if (colors == 2 || colors == 5 || colors == 0 || (colors == 4 && !cmyk) || (colors == 3 && cmyk)) {
    return {Code::kUnsupportedFormat,
            "a JPEG 2000 of " + std::to_string(colors) + " colours is not supported"};
  }
  picture.colors = std::span(planes).first(colors);
  picture.kind = ColorsOf(image, colors);
  picture.x0 = static_cast<int>(image.x0);
  picture.y0 = static_cast<int>(image.y0);
  PaintJpeg2000(picture, alpha, out);
  return Status::Ok();
}

}  // namespace

LibrarySupport LoadOpenjpeg() {
  Opened& state = Opened::Get();
  const Result<void*> library = OpenLibrary("OpenJPEG", kFiles, "libopenjp2-7");
  if (!library.ok()) return {0, library.status().message()};
  if (!FindAll(*library, &state.api)) return {0, "the installed OpenJPEG is too old; 2.5 is needed"};
  state.loaded = true;
  return {FormatBit(Format::kJpeg2000), std::string("OpenJPEG ") + state.api.version()};
}

Status DecodeJpeg2000(const PixelRequest& request, CodecScratch* /*scratch*/, RgbImage* out) {
  const Opened& state = Opened::Get();
  if (!state.loaded) return CheckSupport(Format::kJpeg2000);
  const Api& api = state.api;
  Source source{request.encoded};
  std::string words;
  const bool boxes = !HasAt(request.encoded, 0, "\xFF\x4F\xFF\x51");
  constexpr size_t kBufferBytes = size_t{64} << 10;
  const std::unique_ptr<opj_stream_t, decltype(api.stream_destroy)> stream(
      api.stream_create(kBufferBytes, OPJ_TRUE), api.stream_destroy);
  const std::unique_ptr<opj_codec_t, decltype(api.codec_destroy)> codec(
      api.codec_create(boxes ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K), api.codec_destroy);
  if (!stream || !codec) return {Code::kDecodeLimit, "there is no memory for the JPEG 2000"};
  api.set_read(stream.get(), ReadSource);
  api.set_skip(stream.get(), SkipSource);
  api.set_seek(stream.get(), SeekSource);
  api.set_data(stream.get(), &source, nullptr);
  api.set_length(stream.get(), source.bytes.size());
  opj_dparameters_t parameters;
  api.default_parameters(&parameters);
  api.set_error_handler(codec.get(), KeepError, &words);
  opj_image_t* raw_image = nullptr;
  const bool begun = api.setup(codec.get(), &parameters) != OPJ_FALSE &&
                     api.set_strict(codec.get(), OPJ_TRUE) != OPJ_FALSE &&
                     api.read_header(stream.get(), codec.get(), &raw_image) != OPJ_FALSE;
  const std::unique_ptr<opj_image_t, decltype(api.image_destroy)> image(raw_image, api.image_destroy);
  if (!begun || !image) return Corrupt(words.empty() ? "its header cannot be read" : words);
  const ImageHeader& header = *request.header;
  if (image->x1 - image->x0 != static_cast<OPJ_UINT32>(header.width) ||
      image->y1 - image->y0 != static_cast<OPJ_UINT32>(header.height)) {
    return Corrupt("its image has another size than its header says");
  }
  if (api.decode(codec.get(), stream.get(), image.get()) == OPJ_FALSE ||
      api.end(codec.get(), stream.get()) == OPJ_FALSE) {
    return Corrupt(words.empty() ? "its data cannot be decoded" : words);
  }
  out->Reset(header.width, header.height);
  return Paint(*image, request.alpha, out);
}

}  // namespace photovec::decode
