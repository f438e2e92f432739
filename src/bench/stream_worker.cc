// SPDX-License-Identifier: MIT
#include "bench/stream_worker.h"

#include <utility>

namespace photovec::bench {

StreamWorker::StreamWorker(encode::EncoderStream& stream, std::vector<PixelSlot> slots, int embedding_dim)
    : stream_(stream),
      slots_(std::move(slots)),
      floats_(slots_.size() * static_cast<size_t>(embedding_dim)),
      depth_(static_cast<size_t>(stream.depth())),
      out_(depth_ * floats_) {}

Status StreamWorker::Submit() {
  const TimePoint now = Clock::now();
  ASSIGN_OR_RETURN(const encode::Ticket ticket,
                   stream_.Submit(slots_, std::span(out_).subspan(next_++ % depth_ * floats_, floats_)));
  in_flight_.push_back({ticket, now});
  return Status::Ok();
}

Status StreamWorker::WaitForOldest() {
  const Batch oldest = in_flight_.front();
  in_flight_.pop_front();
  RETURN_IF_ERROR(stream_.Wait(oldest.ticket));
  OnBatch(oldest.submitted);
  return Status::Ok();
}

Result<double> StreamWorker::Work() {
  while (in_flight_.size() < depth_) RETURN_IF_ERROR(Submit());
  RETURN_IF_ERROR(WaitForOldest());
  return static_cast<double>(slots_.size());
}

Result<double> StreamWorker::Finish() {
  const auto images = static_cast<double>(in_flight_.size() * slots_.size());
  while (!in_flight_.empty()) RETURN_IF_ERROR(WaitForOldest());
  return images;
}

}  // namespace photovec::bench
