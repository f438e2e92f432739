// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <libheif/heif.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "decode/formats/formats.h"
#include "decode/formats/heif/support.h"

// libheif is loaded by name, and only where EnableHeif() is called. Its headers may be older than the library
// that is found; what came after 1.15 is looked up by name and used when it is there.
namespace photovec::decode {
namespace {

constexpr const char* kLibrary = "libheif.so.1";

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
  decltype(&heif_decoding_options_alloc) options_alloc = nullptr;
  decltype(&heif_decoding_options_free) options_free = nullptr;
  decltype(&heif_decode_image) decode_image = nullptr;
  decltype(&heif_image_get_width) image_width = nullptr;
  decltype(&heif_image_get_height) image_height = nullptr;
  decltype(&heif_image_get_bits_per_pixel_range) image_bits = nullptr;
  decltype(&heif_image_get_plane_readonly) image_plane = nullptr;
  decltype(&heif_image_is_premultiplied_alpha) image_is_premultiplied = nullptr;
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

template <typename Function>
bool Find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  return *function != nullptr;
}

bool FindAll(void* library, Api* api) {
  Find(library, "heif_init", &api->init);
  Find(library, "heif_context_set_max_decoding_threads", &api->set_max_threads);
  Find(library, "heif_get_decoder_descriptors", &api->decoder_descriptors);
  Find(library, "heif_decoder_descriptor_get_name", &api->decoder_name);
  Find(library, "heif_context_get_security_limits", &api->security_limits);
  return Find(library, "heif_get_version", &api->get_version) &&
         Find(library, "heif_have_decoder_for_format", &api->have_decoder) &&
         Find(library, "heif_context_alloc", &api->context_alloc) &&
         Find(library, "heif_context_free", &api->context_free) &&
         Find(library, "heif_context_set_maximum_image_size_limit", &api->set_max_side) &&
         Find(library, "heif_context_read_from_memory_without_copy", &api->read_from_memory) &&
         Find(library, "heif_context_get_primary_image_handle", &api->primary_handle) &&
         Find(library, "heif_image_handle_release", &api->handle_release) &&
         Find(library, "heif_decoding_options_alloc", &api->options_alloc) &&
         Find(library, "heif_decoding_options_free", &api->options_free) &&
         Find(library, "heif_decode_image", &api->decode_image) &&
         Find(library, "heif_image_get_width", &api->image_width) &&
         Find(library, "heif_image_get_height", &api->image_height) &&
         Find(library, "heif_image_get_bits_per_pixel_range", &api->image_bits) &&
         Find(library, "heif_image_get_plane_readonly", &api->image_plane) &&
         Find(library, "heif_image_is_premultiplied_alpha", &api->image_is_premultiplied) &&
         Find(library, "heif_image_release", &api->image_release);
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
  // The probe has seen all the data: it is libheif 1.15 that does not look for it (in copies, 'iden').
  const bool unable = error.code == heif_error_Invalid_input && error.subcode == heif_suberror_No_item_data;
  switch (unable ? heif_error_Unsupported_feature : error.code) {
    case heif_error_Unsupported_filetype:
    case heif_error_Unsupported_feature:
      return {Code::kUnsupportedFormat, "this kind of HEIC or AVIF is not supported: " + words};
    case heif_error_Memory_allocation_error:
      return {Code::kDecodeLimit, "the HEIC or AVIF needs more memory than there is: " + words};
    default:
      return {Code::kImageCorrupt, "the HEIC or AVIF is corrupt: " + words};
  }
}

void SetLimits(const Api& api, const PixelRequest& request, heif_context* context) {
  if (api.set_max_threads != nullptr) api.set_max_threads(context, 0);
  const ImageHeader& header = *request.header;
  // Coded sizes are multiples of up to 64 pixels.
  const int64_t pixels =
      int64_t{64} * (header.width + header.height + 64) +
      std::max(static_cast<int64_t>(header.width) * header.height, header.heif.largest_part_pixels);
  api.set_max_side(context, request.limits.max_side + 64);
  SecurityLimits* limits = api.security_limits == nullptr ? nullptr : api.security_limits(context);
  if (limits == nullptr || limits->version < 1) return;
  limits->max_image_size_pixels = static_cast<uint64_t>(pixels);
  limits->max_memory_block_size = static_cast<uint64_t>(request.limits.max_decoder_bytes);
}

void Copy(const uint8_t* row, size_t stride, RgbImage* out) {
  for (int y = 0; y < out->height(); ++y, row += stride) {
    std::memcpy(out->Row(y), row, static_cast<size_t>(out->width()) * 3);
  }
}

void ComposeOverWhite(const uint8_t* row, size_t stride, bool premultiplied, RgbImage* out) {
  for (int y = 0; y < out->height(); ++y, row += stride) {
    const uint8_t* from = row;
    uint8_t* to = out->Row(y);
    for (int x = 0; x < out->width(); ++x, from += 4, to += 3) {
      for (int c = 0; c < 3; ++c) {
        to[c] = premultiplied ? static_cast<uint8_t>(std::min(255, from[c] + 255 - from[3]))
                              : OverWhite(from[c], from[3]);
      }
    }
  }
}

Status TakePixels(const Api& api, const heif_image* image, const PixelRequest& request, bool rgba,
                  RgbImage* out) {
  const int width = api.image_width(image, heif_channel_interleaved);
  const int height = api.image_height(image, heif_channel_interleaved);
  const ImageHeader& header = *request.header;
  const bool fits = header.heif.cropped
                        ? width > 0 && height > 0 && width <= header.width && height <= header.height
                        : width == header.width && height == header.height;
  if (!fits) {
    return {Code::kImageCorrupt, "the HEIC or AVIF has pixels of another size than its header says: " +
                                     std::to_string(width) + " x " + std::to_string(height)};
  }
  int stride = 0;
  const uint8_t* plane = api.image_plane(image, heif_channel_interleaved, &stride);
  if (plane == nullptr || api.image_bits(image, heif_channel_interleaved) != 8 ||
      stride < width * (rgba ? 4 : 3)) {
    return {Code::kImageCorrupt, "libheif gave no 8-bit pixels of this HEIC or AVIF"};
  }
  out->Reset(width, height);
  if (!rgba) {
    Copy(plane, static_cast<size_t>(stride), out);
  } else {
    const bool premultiplied = api.image_is_premultiplied(const_cast<heif_image*>(image)) != 0;
    ComposeOverWhite(plane, static_cast<size_t>(stride), premultiplied, out);
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
  // RTLD_NOW: every symbol is bound before the walls go up. Never closed.
  void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    state.support.detail = "libheif is not installed: apt-get install libheif1";
    return state.support;
  }
  if (!FindAll(library, &state.api)) {
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

Status CheckHeifSupport(Format format) {
  const HeifSupport& support = GetHeifSupport();
  if (format == Format::kHeif && !support.hevc) return MissingSupport(false);
  if (format == Format::kAvif && !support.av1) return MissingSupport(true);
  return Status::Ok();
}

Status DecodeHeif(const PixelRequest& request, CodecScratch* /*scratch*/, RgbImage* out) {
  const State& state = TheState();
  const HeifFacts& facts = request.header->heif;
  if (facts.hevc && !state.support.hevc) return MissingSupport(false);
  if (facts.av1 && !state.support.av1) return MissingSupport(true);
  if (!state.loaded) return MissingSupport(false);
  const Api& api = state.api;

  const Held<heif_context> context(api.context_alloc(), api.context_free);
  const Held<heif_decoding_options> options(api.options_alloc(), api.options_free);
  if (!context || !options) return {Code::kDecodeLimit, "there is no memory for the HEIC or AVIF"};
  SetLimits(api, request, context.get());
  heif_error error =
      api.read_from_memory(context.get(), request.encoded.data(), request.encoded.size(), nullptr);
  if (error.code != heif_error_Ok) return Failure(error);
  heif_image_handle* raw_handle = nullptr;
  error = api.primary_handle(context.get(), &raw_handle);
  if (error.code != heif_error_Ok) return Failure(error);
  const std::unique_ptr<heif_image_handle, decltype(api.handle_release)> handle(raw_handle,
                                                                                api.handle_release);
  options->convert_hdr_to_8bit = 1;
  const bool rgba = facts.has_alpha && request.alpha == AlphaMode::kWhite;
  heif_image* raw_image = nullptr;
  error = api.decode_image(handle.get(), &raw_image, heif_colorspace_RGB,
                           rgba ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, options.get());
  if (error.code != heif_error_Ok) return Failure(error);
  const std::unique_ptr<const heif_image, decltype(api.image_release)> image(raw_image, api.image_release);
  return TakePixels(api, image.get(), request, rgba, out);
}

}  // namespace photovec::decode
