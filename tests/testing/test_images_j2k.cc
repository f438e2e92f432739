// SPDX-License-Identifier: MIT
#include <openjpeg.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "testing/test_images_internal.h"
#include "testing/test_images_jxl.h"

namespace photovec::test {
namespace {

using Image = std::unique_ptr<opj_image_t, void (*)(opj_image_t*)>;

/// What OpenJPEG writes, with its seeks.
struct Sink {
  Encoded bytes;
  size_t at = 0;
};
OPJ_SIZE_T WriteSink(void* from, OPJ_SIZE_T count, void* data) {
  auto* sink = static_cast<Sink*>(data);
  if (sink->bytes.size() < sink->at + count) sink->bytes.resize(sink->at + count);
  std::memcpy(sink->bytes.data() + sink->at, from, count);
  sink->at += count;
  return count;
}
OPJ_OFF_T SkipSink(OPJ_OFF_T count, void* data) {
  static_cast<Sink*>(data)->at += static_cast<size_t>(count);
  return count;
}
OPJ_BOOL SeekSink(OPJ_OFF_T to, void* data) {
  static_cast<Sink*>(data)->at = static_cast<size_t>(to);
  return OPJ_TRUE;
}

OPJ_COLOR_SPACE SpaceOf(J2kColors colors) {
  switch (colors) {
    case J2kColors::kSrgb:
      return OPJ_CLRSPC_SRGB;
    case J2kColors::kGrey:
      return OPJ_CLRSPC_GRAY;
    case J2kColors::kYcc:
      return OPJ_CLRSPC_SYCC;
    case J2kColors::kCmyk:
      return OPJ_CLRSPC_CMYK;
    case J2kColors::kUnknown:
      break;
  }
  return OPJ_CLRSPC_UNSPECIFIED;
}

int CeilDiv(int a, int b) { return (a + b - 1) / b; }

/// The sample of a component at a place of its own grid, scaled to its bits.
int32_t SampleAt(const Raster& raster, const J2kOptions& options, int step, int x, int y, int channel) {
  const int from_x = std::clamp(x * step - options.x0, 0, raster.width - 1);
  const int from_y = std::clamp(y * step - options.y0, 0, raster.height - 1);
  const int32_t largest = (1 << options.bits) - 1;
  const int32_t value = (raster.At(from_x, from_y)[channel] * largest + 127) / 255;
  return options.is_signed ? value - (1 << (options.bits - 1)) : value;
}

Image MakeImage(const Raster& raster, const J2kOptions& options) {
  std::vector<opj_image_cmptparm_t> parts(static_cast<size_t>(raster.channels));
  for (size_t i = 0; i < parts.size(); ++i) {
    const int step = (i == 1 || i == 2) ? options.chroma_step : 1;
    parts[i].dx = parts[i].dy = static_cast<OPJ_UINT32>(step);
    parts[i].w =
        static_cast<OPJ_UINT32>(CeilDiv(options.x0 + raster.width, step) - CeilDiv(options.x0, step));
    parts[i].h =
        static_cast<OPJ_UINT32>(CeilDiv(options.y0 + raster.height, step) - CeilDiv(options.y0, step));
    parts[i].prec = static_cast<OPJ_UINT32>(options.bits);
    parts[i].sgnd = options.is_signed ? 1 : 0;
  }
  Image image(opj_image_create(static_cast<OPJ_UINT32>(parts.size()), parts.data(), SpaceOf(options.colors)),
              opj_image_destroy);
  Require(image != nullptr, "opj_image_create");
  image->x0 = static_cast<OPJ_UINT32>(options.x0);
  image->y0 = static_cast<OPJ_UINT32>(options.y0);
  image->x1 = image->x0 + static_cast<OPJ_UINT32>(raster.width);
  image->y1 = image->y0 + static_cast<OPJ_UINT32>(raster.height);
  for (int i = 0; i < raster.channels; ++i) {
    opj_image_comp_t& part = image->comps[i];
    const int step = static_cast<int>(part.dx);
    const int left = CeilDiv(options.x0, step);
    const int top = CeilDiv(options.y0, step);
    for (int y = 0; y < static_cast<int>(part.h); ++y) {
      for (int x = 0; x < static_cast<int>(part.w); ++x) {
        part.data[y * static_cast<int>(part.w) + x] = SampleAt(raster, options, step, left + x, top + y, i);
      }
    }
  }
  if (options.alpha) image->comps[raster.channels - 1].alpha = 1;
  return image;
}

opj_cparameters_t ParametersOf(const Raster& raster, const J2kOptions& options) {
  opj_cparameters_t parameters;
  opj_set_default_encoder_parameters(&parameters);
  parameters.tcp_numlayers = options.layers;
  parameters.cp_disto_alloc = 1;
  for (int i = 0; i < options.layers; ++i) {
    // The last without loss, the others with a little less each.
    parameters.tcp_rates[i] = i + 1 == options.layers ? (options.reversible ? 0.0F : 10.0F)
                                                      : static_cast<float>(20 + 5 * (options.layers - i));
  }
  parameters.irreversible = options.reversible ? 0 : 1;
  parameters.numresolution = options.levels;
  parameters.cblockw_init = parameters.cblockh_init = options.block;
  parameters.tcp_mct = raster.channels >= 3 && options.chroma_step == 1 && options.colors == J2kColors::kSrgb;
  if (options.tile > 0) {
    parameters.tile_size_on = OPJ_TRUE;
    parameters.cp_tdx = parameters.cp_tdy = options.tile;
  }
  if (options.precinct > 0) {
    parameters.csty |= 1;
    parameters.res_spec = options.levels;
    for (int i = 0; i < options.levels; ++i)
      parameters.prcw_init[i] = parameters.prch_init[i] = options.precinct;
  }
  return parameters;
}

}  // namespace

Encoded EncodeJ2k(const Raster& raster, const J2kOptions& options) {
  const Image image = MakeImage(raster, options);
  opj_cparameters_t parameters = ParametersOf(raster, options);
  const std::unique_ptr<opj_codec_t, decltype(&opj_destroy_codec)> codec(
      opj_create_compress(options.boxes ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K), opj_destroy_codec);
  const std::unique_ptr<opj_stream_t, decltype(&opj_stream_destroy)> stream(
      opj_stream_create(size_t{1} << 16, OPJ_FALSE), opj_stream_destroy);
  Sink sink;
  opj_stream_set_write_function(stream.get(), WriteSink);
  opj_stream_set_skip_function(stream.get(), SkipSink);
  opj_stream_set_seek_function(stream.get(), SeekSink);
  opj_stream_set_user_data(stream.get(), &sink, nullptr);
  Require(opj_setup_encoder(codec.get(), &parameters, image.get()) != OPJ_FALSE &&
              opj_start_compress(codec.get(), image.get(), stream.get()) != OPJ_FALSE &&
              opj_encode(codec.get(), stream.get()) != OPJ_FALSE &&
              opj_end_compress(codec.get(), stream.get()) != OPJ_FALSE,
          "OpenJPEG's encoder");
  if (options.colors == J2kColors::kCmyk) sink.bytes.at(Find(sink.bytes, "colr") + 10) = 12;  // it writes 0
  return sink.bytes;
}

}  // namespace photovec::test
