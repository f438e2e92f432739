// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "decode/sandbox/decoder_pool.h"
#include "testing/test_images.h"

namespace photovec::decode::testing {

using test::Encoded;

struct Answer {
  Result<DecodeReport> report;
  std::vector<uint8_t> pixels;
};

inline preprocess::Spec SmallSpec() {
  preprocess::Spec spec;
  spec.resize_short = 64;
  spec.crop = 64;
  return spec;
}

inline Answer DecodeWith(Decoder& decoder, const Encoded& encoded, const preprocess::Spec& spec = SmallSpec(),
                         const DecodeOptions& options = {}, Deadline deadline = {}) {
  std::vector<uint8_t> pixels(spec.slot_bytes());
  DecodeJob job;
  job.encoded = encoded;
  job.spec = &spec;
  job.options = options;
  job.out = pixels;
  job.deadline = deadline;
  Result<DecodeReport> report = decoder.Decode(job);
  return {std::move(report), std::move(pixels)};
}

/// A good JPEG with a text behind its end, by which faults.h knows it.
inline Encoded Marked(const std::string& text, uint32_t seed = 1) {
  Encoded jpeg = test::EncodeJpeg(test::MakePhoto(160, 120, 3, seed));
  jpeg.insert(jpeg.end(), text.begin(), text.end());
  return jpeg;
}

inline DecoderPoolOptions PoolOptions(int workers = 1, const std::string& fault = "") {
  DecoderPoolOptions options;
  options.workers = workers;
  options.program = PHOTOVEC_DECODER_PROGRAM;
  options.fault = fault;
  return options;
}

/// Created, or the test ends here.
inline std::unique_ptr<DecoderPool> MakePool(DecoderPoolOptions options) {
  auto pool = DecoderPool::Create(std::move(options));
  EXPECT_TRUE(pool.ok()) << pool.status().ToString();
  if (!pool.ok()) std::abort();
  return std::move(*pool);
}

inline int64_t Deaths(DecoderPool& pool, Death death) {
  return pool.stats().deaths.at(static_cast<size_t>(death));
}

/// Without the list of what is supported: a thread cannot decode HEIC and AVIF.
inline std::string Words(const Status& status) {
  const std::string text = status.ToString();
  return text.substr(0, text.find("; supported are"));
}

/// Same outcome, same message or same pixels.
inline void ExpectSame(const Answer& a, const Answer& b, const std::string& what) {
  ASSERT_EQ(Words(a.report.status()), Words(b.report.status())) << what;
  if (!a.report.ok()) return;
  EXPECT_EQ(a.pixels, b.pixels) << what;
  EXPECT_EQ(a.report->format, b.report->format) << what;
  EXPECT_EQ(a.report->width, b.report->width) << what;
  EXPECT_EQ(a.report->height, b.report->height) << what;
  EXPECT_EQ(a.report->orientation, b.report->orientation) << what;
  EXPECT_EQ(a.report->scale_denominator, b.report->scale_denominator) << what;
  EXPECT_EQ(a.report->profile, b.report->profile) << what;
}

}  // namespace photovec::decode::testing
