// SPDX-License-Identifier: MIT
#include "bench/photo_worker.h"

#include <algorithm>
#include <utility>

#include "base/thread_pool.h"

namespace photovec::bench {

PhotoWorker::PhotoWorker(PhotoTurns& turns, std::unique_ptr<decode::Decoder> decoder, OnFailure on_failure)
    : turns_(turns), decoder_(std::move(decoder)), on_failure_(on_failure), slot_(turns.spec.slot_bytes()) {}

Result<decode::DecodeReport> PhotoWorker::Decode(std::span<const uint8_t> encoded) {
  decode::DecodeJob job;
  job.encoded = encoded;
  job.spec = &turns_.spec;
  job.options = turns_.options;
  job.out = slot_;
  return decoder_->Decode(job);
}

Result<double> PhotoWorker::Work() {
  const auto report = Decode(turns_.photos[turns_.next.fetch_add(1) % turns_.photos.size()]);
  if (report.ok()) return 1.0;
  if (on_failure_ == OnFailure::kSkip) return 0.0;
  return Status(Code::kInternal,
                "a photo that decoded before does not any more: " + report.status().message());
}

Contestant PhotoContestant(std::string name, int threads, PhotoTurns& turns, MakeDecoder make,
                           PhotoWorker::OnFailure on_failure) {
  Contestant contestant;
  contestant.name = std::move(name);
  contestant.threads = std::max(threads, 1);
  contestant.nice = kWorkerNice;
  contestant.start = [&turns, make = std::move(make), on_failure](int /*thread*/) {
    return Result<std::unique_ptr<Worker>>(std::make_unique<PhotoWorker>(turns, make(), on_failure));
  };
  return contestant;
}

}  // namespace photovec::bench
