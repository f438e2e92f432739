// SPDX-License-Identifier: MIT
#pragma once

#include <array>
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

/// Decodes photos in turn with a decoder of its own, as a server's decode thread does while photos wait: two
/// at a time where the decoder can. One unit is at most kPhotosAUnit of them.
class PhotoWorker : public Worker, private decode::JobFeed {
 public:
  enum class OnFailure {
    kStop,  ///< the benchmark
    kSkip,  ///< the photo, which then does not count
  };
  /// \param turns outlives it.
  PhotoWorker(PhotoTurns& turns, std::unique_ptr<decode::Decoder> decoder, OnFailure on_failure);
  Result<double> Work() override;
  static constexpr int kPhotosAUnit = 16;

  /// Any photo, whoever's turn it is.
  Result<decode::DecodeReport> Decode(std::span<const uint8_t> encoded);
  /// The pixels of the last photo of Decode().
  const std::vector<uint8_t>& slot() const { return seats_[0].slot; }

 private:
  struct Seat {
    decode::DecodeJob job;
    std::vector<uint8_t> slot;
    bool taken = false;
  };
  const decode::DecodeJob* Next() override;
  using Worker::Finish;
  void Finish(const decode::DecodeJob& job, Result<decode::DecodeReport> report) override;
  std::span<const uint8_t> Peek();
  const decode::DecodeJob* Take();
  decode::DecodeJob JobFor(std::span<const uint8_t> encoded, Seat* seat) const;

  PhotoTurns& turns_;
  const std::unique_ptr<decode::Decoder> decoder_;
  const OnFailure on_failure_;
  std::array<Seat, 2> seats_;
  std::span<const uint8_t> waiting_;  ///< whose turn it is; empty: not looked at yet
  int taken_ = 0;                     ///< of this unit
  double done_ = 0;
  Status failure_;
};

/// A contestant whose threads, at the workers' priority, decode photos in turn.
/// \param turns outlives it.
Contestant PhotoContestant(std::string name, int threads, PhotoTurns& turns, MakeDecoder make,
                           PhotoWorker::OnFailure on_failure);

}  // namespace photovec::bench
