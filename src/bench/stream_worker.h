// SPDX-License-Identifier: MIT
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "bench/runner.h"
#include "encode/encoder.h"

namespace photovec::bench {

/// Keeps a stream busy with one batch, again and again, as many at a time as it takes: one unit is one batch,
/// its amount the number of images or texts.
class StreamWorker : public Worker {
 public:
  /// \param stream no other thread uses it.
  /// \param slots of the batch; what they point to outlives the worker.
  StreamWorker(encode::EncoderStream& stream, std::vector<PixelSlot> slots, int embedding_dim);
  StreamWorker(encode::EncoderStream& stream, std::vector<encode::TokenIds> texts, int embedding_dim);
  Result<double> Work() override;
  Result<double> Finish() override;

 protected:
  /// Called when a batch is done, with the time of its submission.
  virtual void OnBatch(TimePoint /*submitted*/) {}

 private:
  StreamWorker(encode::EncoderStream& stream, std::vector<PixelSlot> slots,
               std::vector<encode::TokenIds> texts, int embedding_dim);
  struct Batch {
    encode::Ticket ticket;
    TimePoint submitted;
  };
  Status Submit();
  Status WaitForOldest();

  encode::EncoderStream& stream_;
  const std::vector<PixelSlot> slots_;         // of images
  const std::vector<encode::TokenIds> texts_;  // or of texts
  const size_t items_;
  const size_t floats_;  // of one batch
  const size_t depth_;
  std::vector<float> out_;  // [depth, batch, D]
  std::deque<Batch> in_flight_;
  size_t next_ = 0;
};

}  // namespace photovec::bench
