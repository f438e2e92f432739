// SPDX-License-Identifier: MIT
#include "decode/formats/heif/library.h"

#include <libheif/heif.h>

#include <memory>
#include <string>

#include "decode/formats/heif/support.h"
#include "decode/formats/libraries.h"

// libheif is loaded by name, and only where EnableHeif() is called. Its headers may be older than the library
// that is found; what came after 1.15 is looked up by name and used when it is there.
namespace photovec::decode {
namespace {

constexpr const char* kFiles[] = {"libheif.so.1"};

/// The beginning of heif_security_limits, of libheif 1.19 and later (version 1 of the structure).
struct SecurityLimits {
  uint8_t version;
  uint64_t max_image_size_pixels;
  uint64_t max_number_of_tiles;
  uint32_t max_bayer_pattern_pixels;
  uint32_t max_items;
  uint32_t max_color_profile_size;
  uint64_t max_memory_block_size;
};

/// The functions that are used, by their names in libheif.
struct Api {
  decltype(&heif_get_version) get_version = nullptr;
  decltype(&heif_have_decoder_for_format) have_decoder = nullptr;
  decltype(&heif_context_alloc) context_alloc = nullptr;
  decltype(&heif_context_free) context_free = nullptr;
  decltype(&heif_context_set_maximum_image_size_limit) set_max_side = nullptr;
  decltype(&heif_context_read_from_memory_without_copy) read_from_memory = nullptr;
  decltype(&heif_context_get_primary_image_handle) primary_handle = nullptr;
  decltype(&heif_image_handle_release) handle_release = nullptr;
  decltype(&heif_decode_image) decode_image = nullptr;
  decltype(&heif_image_get_colorspace) image_colorspace = nullptr;
  decltype(&heif_image_get_chroma_format) image_chroma = nullptr;
  decltype(&heif_image_get_width) image_width = nullptr;
  decltype(&heif_image_get_height) image_height = nullptr;
  decltype(&heif_image_get_bits_per_pixel_range) image_bits = nullptr;
  decltype(&heif_image_get_plane_readonly) image_plane = nullptr;
  decltype(&heif_image_release) image_release = nullptr;
  // Not in every version:
  decltype(&heif_init) init = nullptr;
  decltype(&heif_context_set_max_decoding_threads) set_max_threads = nullptr;
  decltype(&heif_get_decoder_descriptors) decoder_descriptors = nullptr;
  decltype(&heif_decoder_descriptor_get_name) decoder_name = nullptr;
  SecurityLimits* (*security_limits)(const heif_context*) = nullptr;
};

struct State {
  bool asked = false;
  bool loaded = false;
  Api api;
  HeifSupport support;
};

/// Of the process, because the library is. Written by EnableHeif() only.
State& TheState() {
  static State state;
  return state;
}

bool FindAll(void* library, Api* api) {
  FindFunction(library, "heif_init", &api->init);
  FindFunction(library, "heif_context_set_max_decoding_threads", &api->set_max_threads);
  FindFunction(library, "heif_get_decoder_descriptors", &api->decoder_descriptors);
  FindFunction(library, "heif_decoder_descriptor_get_name", &api->decoder_name);
  FindFunction(library, "heif_context_get_security_limits", &api->security_limits);
  return FindFunction(library, "heif_get_version", &api->get_version) &&
         FindFunction(library, "heif_have_decoder_for_format", &api->have_decoder) &&
         FindFunction(library, "heif_context_alloc", &api->context_alloc) &&
         FindFunction(library, "heif_context_free", &api->context_free) &&
         FindFunction(library, "heif_context_set_maximum_image_size_limit", &api->set_max_side) &&
         FindFunction(library, "heif_context_read_from_memory_without_copy", &api->read_from_memory) &&
         FindFunction(library, "heif_context_get_primary_image_handle", &api->primary_handle) &&
         FindFunction(library, "heif_image_handle_release", &api->handle_release) &&
         FindFunction(library, "heif_decode_image", &api->decode_image) &&
         FindFunction(library, "heif_image_get_colorspace", &api->image_colorspace) &&
         FindFunction(library, "heif_image_get_chroma_format", &api->image_chroma) &&
         FindFunction(library, "heif_image_get_width", &api->image_width) &&
         FindFunction(library, "heif_image_get_height", &api->image_height) &&
         FindFunction(library, "heif_image_get_bits_per_pixel_range", &api->image_bits) &&
         FindFunction(library, "heif_image_get_plane_readonly", &api->image_plane) &&
         FindFunction(library, "heif_image_release", &api->image_release);
}

/// The name of the decoder that libheif prefers for a format.
std::string DecoderName(const Api& api, heif_compression_format format) {
  if (api.decoder_descriptors == nullptr || api.decoder_name == nullptr) return "";
  const heif_decoder_descriptor* best = nullptr;
  const char* name = api.decoder_descriptors(format, &best, 1) > 0 ? api.decoder_name(best) : nullptr;
  return name == nullptr ? "" : name;
}

std::string Describe(const Api& api, const HeifSupport& support) {
  std::string text = std::string("libheif ") + api.get_version();
  text += support.hevc ? ", HEIC by " + DecoderName(api, heif_compression_HEVC)
                       : ", no HEIC: apt-get install libheif-plugin-libde265";
  text += support.av1 ? ", AVIF by " + DecoderName(api, heif_compression_AV1)
                      : ", no AVIF: apt-get install libheif-plugin-dav1d";
  return text;
}

/// Frees what libheif gave, by the function of `State::api` that is for it.
template <typename Object>
using Held = std::unique_ptr<Object, void (*)(Object*)>;

/// libheif's words, which quote nothing of the file.
Status Failure(const heif_error& error) {
  const std::string words = error.message == nullptr ? "no reason given" : error.message;
  switch (error.code) {
    case heif_error_Unsupported_filetype:
    case heif_error_Unsupported_feature:
      return {Code::kUnsupportedFormat, "this kind of HEIC or AVIF is not supported: " + words};
    case heif_error_Memory_allocation_error:
      return {Code::kDecodeLimit, "the HEIC or AVIF needs more memory than there is: " + words};
    default:
      return {Code::kImageCorrupt, "the HEIC or AVIF is corrupt: " + words};
  }
}

Status NoPlanes() { return {Code::kImageCorrupt, "libheif gave no pixels of this HEIC or AVIF"}; }

void SetLimits(const Api& api, int64_t pixels, const Limits& photo, heif_context* context) {
  if (api.set_max_threads != nullptr) api.set_max_threads(context, 0);
  api.set_max_side(context, photo.max_side + 64);
  SecurityLimits* limits = api.security_limits == nullptr ? nullptr : api.security_limits(context);
  if (limits == nullptr || limits->version < 1) return;
  limits->max_image_size_pixels = static_cast<uint64_t>(pixels);
  limits->max_memory_block_size = static_cast<uint64_t>(photo.max_decoder_bytes);
}

/// The planes as libheif gives them: those of the stream, or (before 1.16) green, blue and red of full size,
/// which MakeStillFile() made the same numbers.
Status TakePlanes(const Api& api, const heif_image* image, HeifPlanes* out) {
  const heif_colorspace space = api.image_colorspace(image);
  const bool rgb = space == heif_colorspace_RGB;
  const bool grey = space == heif_colorspace_monochrome;
  const heif_chroma chroma = api.image_chroma(image);
  out->chroma = grey ? 0 : chroma == heif_chroma_420 ? 1 : chroma == heif_chroma_422 ? 2 : 3;
  if (!rgb && !grey && space != heif_colorspace_YCbCr) return NoPlanes();
  if (out->chroma == 3 && chroma != heif_chroma_444) return NoPlanes();
  const heif_channel channels[3] = {rgb ? heif_channel_G : heif_channel_Y,
                                    rgb ? heif_channel_B : heif_channel_Cb,
                                    rgb ? heif_channel_R : heif_channel_Cr};
  out->width = api.image_width(image, channels[0]);
  out->height = api.image_height(image, channels[0]);
  out->bits = api.image_bits(image, channels[0]);
  if (out->width <= 0 || out->height <= 0 || out->bits < 8 || out->bits > 16) return NoPlanes();
  for (size_t i = 0; i < (grey ? 1U : 3U); ++i) {
    const int across = i > 0 && (out->chroma == 1 || out->chroma == 2) ? 2 : 1;
    const int down = i > 0 && out->chroma == 1 ? 2 : 1;
    const int width = (out->width + across - 1) / across;
    int stride = 0;
    const uint8_t* data = api.image_plane(image, channels[i], &stride);
    if (data == nullptr || stride < width * (out->bits > 8 ? 2 : 1) ||
        api.image_bits(image, channels[i]) != out->bits || api.image_width(image, channels[i]) < width ||
        api.image_height(image, channels[i]) < (out->height + down - 1) / down) {
      return NoPlanes();
    }
    out->plane.at(i) = {data, static_cast<size_t>(stride)};
  }
  return Status::Ok();
}

Status MissingSupport(bool av1) {
  const State& state = TheState();
  const std::string what = av1 ? "AVIF" : "HEIC";
  if (!state.asked) {
    return {Code::kUnsupportedFormat, what + " images are decoded only with --decode=process"};
  }
  return {Code::kUnsupportedFormat, what + " images cannot be decoded here: " + state.support.detail};
}

}  // namespace

const HeifSupport& EnableHeif() {
  State& state = TheState();
  if (state.asked) return state.support;
  state.asked = true;
  const Result<void*> library = OpenLibrary("libheif", kFiles, "libheif1");
  if (!library.ok()) {
    state.support.detail = library.status().message();
    return state.support;
  }
  if (!FindAll(*library, &state.api)) {
    state.support.detail = "the installed libheif is too old; 1.15 is needed";
    return state.support;
  }
  const Api& api = state.api;
  // Loads the decoders that are plug-ins (Debian 13). Without it the first context would.
  if (api.init != nullptr) api.init(nullptr);
  api.context_free(api.context_alloc());
  state.support.hevc = api.have_decoder(heif_compression_HEVC) != 0;
  state.support.av1 = api.have_decoder(heif_compression_AV1) != 0;
  state.support.detail = Describe(api, state.support);
  state.loaded = true;
  return state.support;
}

const HeifSupport& GetHeifSupport() { return TheState().support; }

Status CheckHeifCodec(bool av1) {
  const State& state = TheState();
  const bool able = state.loaded && (av1 ? state.support.av1 : state.support.hevc);
  return able ? Status::Ok() : MissingSupport(av1);
}

Status DecodeStillFile(std::span<const uint8_t> file, int64_t pixels, const Limits& limits,
                       HeifPicture* out) {
  const Api& api = TheState().api;
  const Held<heif_context> context(api.context_alloc(), api.context_free);
  if (!context) return {Code::kDecodeLimit, "there is no memory for the HEIC or AVIF"};
  SetLimits(api, pixels, limits, context.get());
  heif_error error = api.read_from_memory(context.get(), file.data(), file.size(), nullptr);
  if (error.code != heif_error_Ok) return Failure(error);
  heif_image_handle* raw_handle = nullptr;
  error = api.primary_handle(context.get(), &raw_handle);
  if (error.code != heif_error_Ok) return Failure(error);
  const std::unique_ptr<heif_image_handle, decltype(api.handle_release)> handle(raw_handle,
                                                                                api.handle_release);
  heif_image* image = nullptr;
  error = api.decode_image(handle.get(), &image, heif_colorspace_undefined, heif_chroma_undefined, nullptr);
  if (error.code != heif_error_Ok) return Failure(error);
  *out = HeifPicture(image, api.image_release);
  return TakePlanes(api, image, &out->planes);
}

}  // namespace photovec::decode
