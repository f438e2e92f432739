// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "bench/runner.h"
#include "decode/decoder.h"
#include "preprocess/spec.h"

namespace photovec::bench {

/// Encoded photos, borrowed.
using Photos = std::vector<std::span<const uint8_t>>;
using MakeDecoder = std::function<std::unique_ptr<decode::Decoder>()>;

/// What the photos of one measurement are decoded with, and whose turn it is. Several threads share it.
struct PhotoTurns {
  const Photos& photos;
  const preprocess::Spec& spec;
  const decode::DecodeOptions& options;
  std::atomic<size_t> next{0};  ///< modulo the number of photos
};

/// Decodes photos in turn with a decoder and a slot of its own: one unit is one photo.
class PhotoWorker : public Worker {
 public:
  enum class OnFailure {
    kStop,  ///< the benchmark
    kSkip,  ///< the photo, which then does not count
  };
  /// \param turns outlives it.
  PhotoWorker(PhotoTurns& turns, std::unique_ptr<decode::Decoder> decoder, OnFailure on_failure);
  Result<double> Work() override;

  /// Any photo, whoever's turn it is.
  Result<decode::DecodeReport> Decode(std::span<const uint8_t> encoded);
  /// The pixels of the last photo.
  const std::vector<uint8_t>& slot() const { return slot_; }

 private:
  PhotoTurns& turns_;
  const std::unique_ptr<decode::Decoder> decoder_;
  const OnFailure on_failure_;
  std::vector<uint8_t> slot_;
};

/// A contestant whose threads, at the workers' priority, decode photos in turn.
/// \param turns outlives it.
Contestant PhotoContestant(std::string name, int threads, PhotoTurns& turns, MakeDecoder make,
                           PhotoWorker::OnFailure on_failure);

}  // namespace photovec::bench
