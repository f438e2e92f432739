// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "decode/decoder.h"
#include "preprocess/spec.h"

namespace photovec::bench {

/// Photos that one thread decodes as a server's does while they all wait: two at a time. Borrows everything.
class PhotoQueue final : private decode::JobFeed {
 public:
  PhotoQueue(decode::Decoder& decoder, const preprocess::Spec& spec, const decode::DecodeOptions& options);

  /// \param checksum of the pixels that it has alone (Crc32c).
  void Add(std::span<const uint8_t> encoded, uint32_t checksum) { photos_.push_back({encoded, checksum}); }
  size_t size() const { return photos_.size(); }

  /// Decodes all of them, checks their pixels, and notes the CPU time of one photo: decode + preprocess,
  /// without the
  /// check. Errors: kInternal when pixels are others than alone; what decoding ends with.
  Status Time();
  /// Of each Time().
  const std::vector<double>& ms() const { return ms_; }

 private:
  struct Photo {
    std::span<const uint8_t> encoded;
    uint32_t checksum = 0;
  };
  struct Seat {
    decode::DecodeJob job;
    std::vector<uint8_t> slot;
    size_t photo = 0;
    bool taken = false;
  };
  const decode::DecodeJob* Next() override;
  void Finish(const decode::DecodeJob& job, Result<decode::DecodeReport> report) override;

  decode::Decoder& decoder_;
  const preprocess::Spec& spec_;
  const decode::DecodeOptions& options_;
  std::vector<Photo> photos_;
  std::array<Seat, 2> seats_;
  size_t next_ = 0;
  double checks_ms_ = 0;  // CPU time that the checks took
  Status status_;
  std::vector<double> ms_;
};

}  // namespace photovec::bench
