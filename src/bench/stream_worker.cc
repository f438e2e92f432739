// SPDX-License-Identifier: MIT
#include "bench/stream_worker.h"

#include <utility>

namespace photovec::bench {

StreamWorker::StreamWorker(encode::EncoderStream& stream, std::vector<PixelSlot> slots, int embedding_dim)
    : StreamWorker(stream, std::move(slots), {}, embedding_dim) {}

StreamWorker::StreamWorker(encode::EncoderStream& stream, std::vector<encode::TokenIds> texts,
                           int embedding_dim)
    : StreamWorker(stream, {}, std::move(texts), embedding_dim) {}

StreamWorker::StreamWorker(encode::EncoderStream& stream, std::vector<PixelSlot> slots,
                           std::vector<encode::TokenIds> texts, int embedding_dim)
    : stream_(stream),
      slots_(std::move(slots)),
      texts_(std::move(texts)),
      items_(slots_.size() + texts_.size()),
      floats_(items_ * static_cast<size_t>(embedding_dim)),
      depth_(static_cast<size_t>(stream.depth())),
      out_(depth_ * floats_) {}

Status StreamWorker::Submit() {
  const TimePoint now = Clock::now();
  const auto out = std::span(out_).subspan(next_++ % depth_ * floats_, floats_);
  ASSIGN_OR_RETURN(const encode::Ticket ticket,
                   texts_.empty() ? stream_.Submit(slots_, out) : stream_.SubmitTexts(texts_, out));
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
  return static_cast<double>(items_);
}

Result<double> StreamWorker::Finish() {
  const auto items = static_cast<double>(in_flight_.size() * items_);
  while (!in_flight_.empty()) RETURN_IF_ERROR(WaitForOldest());
  return items;
}

}  // namespace photovec::bench
