// SPDX-License-Identifier: MIT
#include "testing/test_images_jxl.h"

#include <jxl/encode.h>

#include <cstring>
#include <memory>

#include "testing/test_images_internal.h"

namespace photovec::test {
namespace {

using Encoder = std::unique_ptr<JxlEncoder, void (*)(JxlEncoder*)>;

void Check(JxlEncoderStatus status) { Require(status == JXL_ENC_SUCCESS, "libjxl's encoder"); }

Encoded Finish(JxlEncoder* encoder) {
  JxlEncoderCloseInput(encoder);
  Encoded file(size_t{1} << 20);
  size_t used = 0;
  for (;;) {
    uint8_t* next = file.data() + used;
    size_t room = file.size() - used;
    const JxlEncoderStatus status = JxlEncoderProcessOutput(encoder, &next, &room);
    used = file.size() - room;
    if (status != JXL_ENC_NEED_MORE_OUTPUT) {
      Check(status);
      break;
    }
    file.resize(file.size() * 2);
  }
  file.resize(used);
  return file;
}

/// The samples as the encoder shall take them.
Encoded Widen(const Raster& raster, const JxlOptions& options) {
  if (options.bits == 8 && !options.floats) return raster.samples;
  Encoded wide;
  for (const uint8_t sample : raster.samples) {
    const auto shorts = static_cast<uint16_t>(sample * 257);
    const float floats = static_cast<float>(sample) / 255.0F;
    const auto* from = options.floats ? reinterpret_cast<const uint8_t*>(&floats)
                                      : reinterpret_cast<const uint8_t*>(&shorts);
    wide.insert(wide.end(), from, from + (options.floats ? 4 : 2));
  }
  return wide;
}

JxlBasicInfo InfoOf(const Raster& raster, const JxlOptions& options) {
  JxlBasicInfo info;
  JxlEncoderInitBasicInfo(&info);
  info.xsize = static_cast<uint32_t>(raster.width);
  info.ysize = static_cast<uint32_t>(raster.height);
  info.bits_per_sample = options.floats ? 32 : static_cast<uint32_t>(options.bits);
  info.exponent_bits_per_sample = options.floats ? 8 : 0;
  info.num_color_channels = raster.channels < 3 ? 1 : 3;
  info.orientation = static_cast<JxlOrientation>(options.orientation);
  info.uses_original_profile = options.xyb ? JXL_FALSE : JXL_TRUE;
  if (raster.channels % 2 == 0) {
    info.num_extra_channels = 1;
    info.alpha_bits = info.bits_per_sample;
    info.alpha_exponent_bits = info.exponent_bits_per_sample;
    info.alpha_premultiplied = options.premultiplied ? JXL_TRUE : JXL_FALSE;
  }
  if (options.frames > 1) {
    info.have_animation = JXL_TRUE;
    info.animation.tps_numerator = 10;
    info.animation.tps_denominator = 1;
  }
  return info;
}

}  // namespace

Encoded EncodeJxl(const Raster& raster, const JxlOptions& options) {
  const Encoder encoder(JxlEncoderCreate(nullptr), JxlEncoderDestroy);
  const JxlBasicInfo info = InfoOf(raster, options);
  Check(JxlEncoderUseContainer(encoder.get(), options.container ? JXL_TRUE : JXL_FALSE));
  if (options.bits > 8) Check(JxlEncoderSetCodestreamLevel(encoder.get(), 10));
  Check(JxlEncoderSetBasicInfo(encoder.get(), &info));
  if (options.icc.empty()) {
    JxlColorEncoding colors;
    JxlColorEncodingSetToSRGB(&colors, raster.channels < 3 ? JXL_TRUE : JXL_FALSE);
    Check(JxlEncoderSetColorEncoding(encoder.get(), &colors));
  } else {
    Check(JxlEncoderSetICCProfile(encoder.get(), options.icc.data(), options.icc.size()));
  }
  const JxlPixelFormat format{static_cast<uint32_t>(raster.channels),
                              options.floats      ? JXL_TYPE_FLOAT
                              : options.bits == 8 ? JXL_TYPE_UINT8
                                                  : JXL_TYPE_UINT16,
                              JXL_NATIVE_ENDIAN, 0};
  for (int i = 0; i < options.frames; ++i) {
    JxlEncoderFrameSettings* settings = JxlEncoderFrameSettingsCreate(encoder.get(), nullptr);
    Check(JxlEncoderFrameSettingsSetOption(settings, JXL_ENC_FRAME_SETTING_EFFORT, 3));
    if (options.lossless) Check(JxlEncoderSetFrameLossless(settings, JXL_TRUE));
    if (!options.lossless) Check(JxlEncoderSetFrameDistance(settings, options.distance));
    if (options.resampling > 1) {
      Check(JxlEncoderFrameSettingsSetOption(settings, JXL_ENC_FRAME_SETTING_RESAMPLING, options.resampling));
    }
    if (options.frames > 1) {
      JxlFrameHeader header;
      JxlEncoderInitFrameHeader(&header);
      header.duration = 5;
      Check(JxlEncoderSetFrameHeader(settings, &header));
    }
    Encoded samples = Widen(raster, options);
    if (i > 0) std::fill(samples.begin(), samples.end(), uint8_t{0});
    Check(JxlEncoderAddImageFrame(settings, &format, samples.data(), samples.size()));
  }
  return Finish(encoder.get());
}

Encoded JxlOfJpeg(const Encoded& jpeg) {
  const Encoder encoder(JxlEncoderCreate(nullptr), JxlEncoderDestroy);
  Check(JxlEncoderUseContainer(encoder.get(), JXL_TRUE));
  Check(JxlEncoderStoreJPEGMetadata(encoder.get(), JXL_TRUE));
  JxlEncoderFrameSettings* settings = JxlEncoderFrameSettingsCreate(encoder.get(), nullptr);
  Check(JxlEncoderAddJPEGFrame(settings, jpeg.data(), jpeg.size()));
  return Finish(encoder.get());
}

}  // namespace photovec::test
