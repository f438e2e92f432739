// SPDX-License-Identifier: MIT
#include <jxl/decode.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "decode/color/icc_profile.h"
#include "decode/formats/formats.h"
#include "decode/formats/jxl/library.h"

// libjxl decodes, opened by name in the sandboxed worker only, without threads. Its headers may be of another
// version than the library that is found: types are the same from 0.7 to 0.11, two functions are not.
namespace photovec::decode {
namespace {

// The newest first. Debian 12 has 0.7, Debian 13 has 0.11.
constexpr std::array kFiles = {"libjxl.so.0.11", "libjxl.so.0.10", "libjxl.so.0.9", "libjxl.so.0.8",
                               "libjxl.so.0.7"};
/// From 0.9 on the functions about colours have no pixel format among their arguments.
constexpr uint32_t kShortCalls = 9'000;

/// The functions that are used, by their names in libjxl.
struct Api {
  decltype(&JxlDecoderVersion) version = nullptr;
  decltype(&JxlDecoderCreate) create = nullptr;
  decltype(&JxlDecoderDestroy) destroy = nullptr;
  decltype(&JxlDecoderSubscribeEvents) subscribe = nullptr;
  decltype(&JxlDecoderSetKeepOrientation) keep_orientation = nullptr;
  decltype(&JxlDecoderSetUnpremultiplyAlpha) unpremultiply = nullptr;
  decltype(&JxlDecoderSetInput) set_input = nullptr;
  decltype(&JxlDecoderProcessInput) process = nullptr;
  decltype(&JxlDecoderGetBasicInfo) basic_info = nullptr;
  decltype(&JxlDecoderSetPreferredColorProfile) prefer_colors = nullptr;
  decltype(&JxlDecoderImageOutBufferSize) out_size = nullptr;
  decltype(&JxlDecoderSetImageOutBuffer) set_out = nullptr;
  // Of these three the types depend on the version: ColorCalls.
  void* named_colors = nullptr;
  void* icc_size = nullptr;
  void* icc = nullptr;
};

/// The functions about colours, with the arguments that this version has.
class ColorCalls {
 public:
  ColorCalls(const Api& api, const JxlDecoder* decoder)
      : api_(api), decoder_(decoder), old_(api.version() < kShortCalls) {}

  bool HasNamedColors(JxlColorProfileTarget target) const {
    using Old = JxlDecoderStatus (*)(const JxlDecoder*, const void*, JxlColorProfileTarget, void*);
    using New = JxlDecoderStatus (*)(const JxlDecoder*, JxlColorProfileTarget, void*);
    return JXL_DEC_SUCCESS ==
           (old_ ? reinterpret_cast<Old>(api_.named_colors)(decoder_, nullptr, target, nullptr)
                 : reinterpret_cast<New>(api_.named_colors)(decoder_, target, nullptr));
  }
  /// Empty when there is none, or one of more than kMaxIccBytes.
  std::vector<uint8_t> Icc(JxlColorProfileTarget target) const {
    using OldSize = JxlDecoderStatus (*)(const JxlDecoder*, const void*, JxlColorProfileTarget, size_t*);
    using NewSize = JxlDecoderStatus (*)(const JxlDecoder*, JxlColorProfileTarget, size_t*);
    using OldIcc =
        JxlDecoderStatus (*)(const JxlDecoder*, const void*, JxlColorProfileTarget, uint8_t*, size_t);
    using NewIcc = JxlDecoderStatus (*)(const JxlDecoder*, JxlColorProfileTarget, uint8_t*, size_t);
    size_t size = 0;
    const JxlDecoderStatus sized =
        old_ ? reinterpret_cast<OldSize>(api_.icc_size)(decoder_, nullptr, target, &size)
             : reinterpret_cast<NewSize>(api_.icc_size)(decoder_, target, &size);
    if (sized != JXL_DEC_SUCCESS || size == 0 || size > kMaxIccBytes) return {};
    std::vector<uint8_t> profile(size);
    const JxlDecoderStatus got =
        old_ ? reinterpret_cast<OldIcc>(api_.icc)(decoder_, nullptr, target, profile.data(), size)
             : reinterpret_cast<NewIcc>(api_.icc)(decoder_, target, profile.data(), size);
    if (got != JXL_DEC_SUCCESS) profile.clear();
    return profile;
  }

 private:
  const Api& api_;
  const JxlDecoder* decoder_;
  bool old_;
};

using Opened = OpenedLibrary<Api>;

bool FindAll(void* library, Api* api) {
  return FindFunction(library, "JxlDecoderVersion", &api->version) &&
         FindFunction(library, "JxlDecoderCreate", &api->create) &&
         FindFunction(library, "JxlDecoderDestroy", &api->destroy) &&
         FindFunction(library, "JxlDecoderSubscribeEvents", &api->subscribe) &&
         FindFunction(library, "JxlDecoderSetKeepOrientation", &api->keep_orientation) &&
         FindFunction(library, "JxlDecoderSetUnpremultiplyAlpha", &api->unpremultiply) &&
         FindFunction(library, "JxlDecoderSetInput", &api->set_input) &&
         FindFunction(library, "JxlDecoderProcessInput", &api->process) &&
         FindFunction(library, "JxlDecoderGetBasicInfo", &api->basic_info) &&
         FindFunction(library, "JxlDecoderSetPreferredColorProfile", &api->prefer_colors) &&
         FindFunction(library, "JxlDecoderImageOutBufferSize", &api->out_size) &&
         FindFunction(library, "JxlDecoderSetImageOutBuffer", &api->set_out) &&
         FindFunction(library, "JxlDecoderGetColorAsEncodedProfile", &api->named_colors) &&
         FindFunction(library, "JxlDecoderGetICCProfileSize", &api->icc_size) &&
         FindFunction(library, "JxlDecoderGetColorAsICCProfile", &api->icc);
}

std::string VersionText(uint32_t version) {  // 7000 is 0.7.0
  return std::to_string(version / 1'000'000) + "." + std::to_string(version / 1000 % 1000) + "." +
         std::to_string(version % 1000);
}

void ComposeOverWhite(const uint8_t* from, RgbImage* out) {
  uint8_t* to = out->data();
  const uint8_t* end = to + out->stride() * static_cast<size_t>(out->height());
  for (; to != end; from += 4, to += 3) {
    for (int c = 0; c < 3; ++c) to[c] = OverWhite(from[c], from[3]);
  }
}

/// One image on its way through libjxl.
class Session {
 public:
  Session(const Api& api, const PixelRequest& request)
      : api_(api), request_(request), decoder_(api.create(nullptr), api.destroy) {}

  Status Run(CodecScratch* scratch, RgbImage* out) {
    if (!decoder_) return {Code::kDecodeLimit, "there is no memory for the JPEG XL"};
    constexpr int kEvents = JXL_DEC_BASIC_INFO | JXL_DEC_COLOR_ENCODING | JXL_DEC_FULL_IMAGE;
    white_ = request_.header->jxl.has_alpha && request_.alpha == AlphaMode::kWhite;
    if (api_.subscribe(decoder_.get(), kEvents) != JXL_DEC_SUCCESS ||
        api_.keep_orientation(decoder_.get(), JXL_TRUE) != JXL_DEC_SUCCESS ||
        api_.unpremultiply(decoder_.get(), white_ ? JXL_TRUE : JXL_FALSE) != JXL_DEC_SUCCESS ||
        api_.set_input(decoder_.get(), request_.encoded.data(), request_.encoded.size()) != JXL_DEC_SUCCESS) {
      return {Code::kInternal, "libjxl refused its settings"};
    }
    // The input is never closed: what is missing then has a status of its own.
    for (;;) {
      switch (api_.process(decoder_.get())) {
        case JXL_DEC_BASIC_INFO:
          RETURN_IF_ERROR(CheckInfo());
          break;
        case JXL_DEC_COLOR_ENCODING:
          TakeColors(&scratch->icc);
          break;
        case JXL_DEC_NEED_IMAGE_OUT_BUFFER:
          RETURN_IF_ERROR(GiveBuffer(scratch, out));
          break;
        case JXL_DEC_FULL_IMAGE:  // of an animation the first; the rest is not read
          if (white_) ComposeOverWhite(scratch->bytes.data(), out);
          return Status::Ok();
        case JXL_DEC_NEED_MORE_INPUT:
          return {Code::kImageCorrupt, "the JPEG XL is truncated"};
        case JXL_DEC_SUCCESS:
          return {Code::kImageCorrupt, "the JPEG XL ends before its first image"};
        default:
          return {Code::kImageCorrupt, "the JPEG XL is corrupt: libjxl cannot decode it"};
      }
    }
  }

 private:
  Status CheckInfo() {
    JxlBasicInfo info{};
    const ImageHeader& header = *request_.header;
    if (api_.basic_info(decoder_.get(), &info) != JXL_DEC_SUCCESS ||
        info.xsize != static_cast<uint32_t>(header.width) ||
        info.ysize != static_cast<uint32_t>(header.height) ||
        (info.num_color_channels != 1 && info.num_color_channels != 3)) {
      return {Code::kImageCorrupt, "the JPEG XL has an image of another size than its header says"};
    }
    grey_ = info.num_color_channels == 1;
    stored_colors_ = info.uses_original_profile != 0;
    return Status::Ok();
  }

  /// XYB is bound to no profile. libjxl gives it in the colours that the header names; where the header has
  /// an ICC profile instead, it would give linear light, unless asked for sRGB.
  void TakeColors(std::vector<uint8_t>* icc) {
    const ColorCalls calls(api_, decoder_.get());
    if (!stored_colors_ && !calls.HasNamedColors(JXL_COLOR_PROFILE_TARGET_ORIGINAL)) {
      JxlColorEncoding srgb{};
      srgb.color_space = grey_ ? JXL_COLOR_SPACE_GRAY : JXL_COLOR_SPACE_RGB;
      srgb.white_point = JXL_WHITE_POINT_D65;
      srgb.primaries = JXL_PRIMARIES_SRGB;
      srgb.transfer_function = JXL_TRANSFER_FUNCTION_SRGB;
      api_.prefer_colors(decoder_.get(), &srgb);
    }
    *icc = calls.Icc(JXL_COLOR_PROFILE_TARGET_DATA);
  }

  Status GiveBuffer(CodecScratch* scratch, RgbImage* out) {
    const ImageHeader& header = *request_.header;
    out->Reset(header.width, header.height);
    const JxlPixelFormat format{white_ ? 4U : 3U, JXL_TYPE_UINT8, JXL_NATIVE_ENDIAN, 0};
    const size_t bytes =
        static_cast<size_t>(header.width) * static_cast<size_t>(header.height) * format.num_channels;
    size_t wanted = 0;
    uint8_t* pixels = white_ ? scratch->Reserve(bytes) : out->data();
    if (api_.out_size(decoder_.get(), &format, &wanted) != JXL_DEC_SUCCESS || wanted != bytes ||
        api_.set_out(decoder_.get(), &format, pixels, bytes) != JXL_DEC_SUCCESS) {
      return {Code::kImageCorrupt, "libjxl gives no 8-bit pixels of this JPEG XL"};
    }
    return Status::Ok();
  }

  const Api& api_;
  const PixelRequest& request_;
  const std::unique_ptr<JxlDecoder, void (*)(JxlDecoder*)> decoder_;
  bool white_ = false;
  bool grey_ = false;
  bool stored_colors_ = false;
};

}  // namespace

LibrarySupport LoadLibjxl() {
  Opened& state = Opened::Get();
  const Result<void*> library = OpenLibrary("libjxl", kFiles, "libjxl0.7 (Debian 12) or libjxl0.11 (13)");
  if (!library.ok()) return {0, library.status().message()};
  if (!FindAll(*library, &state.api)) return {0, "the installed libjxl is too old; 0.7 is needed"};
  state.loaded = true;
  return {FormatBit(Format::kJxl), "libjxl " + VersionText(state.api.version())};
}

Status DecodeJxl(const PixelRequest& request, CodecScratch* scratch, RgbImage* out) {
  const Opened& state = Opened::Get();
  if (!state.loaded) return CheckSupport(Format::kJxl);
  return Session(state.api, request).Run(scratch, out);
}

}  // namespace photovec::decode
