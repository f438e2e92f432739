// SPDX-License-Identifier: MIT
#include "bench/photo_worker.h"

#include <algorithm>
#include <utility>

#include "base/thread_pool.h"

namespace photovec::bench {

PhotoWorker::PhotoWorker(PhotoTurns& turns, std::unique_ptr<decode::Decoder> decoder, OnFailure on_failure)
    : turns_(turns), decoder_(std::move(decoder)), on_failure_(on_failure) {
  for (Seat& seat : seats_) seat.slot.resize(turns.spec.slot_bytes());
}

decode::DecodeJob PhotoWorker::JobFor(std::span<const uint8_t> encoded, Seat* seat) const {
  decode::DecodeJob job;
  job.encoded = encoded;
  job.spec = &turns_.spec;
  job.options = turns_.options;
  job.out = seat->slot;
  return job;
}

Result<decode::DecodeReport> PhotoWorker::Decode(std::span<const uint8_t> encoded) {
  return decoder_->Decode(JobFor(encoded, seats_.data()));
}

std::span<const uint8_t> PhotoWorker::Peek() {
  if (waiting_.empty()) waiting_ = turns_.photos[turns_.next.fetch_add(1) % turns_.photos.size()];
  return waiting_;
}

const decode::DecodeJob* PhotoWorker::Take() {
  Seat& seat = seats_[seats_[0].taken ? 1 : 0];
  seat.job = JobFor(Peek(), &seat);
  seat.taken = true;
  waiting_ = {};
  ++taken_;
  return &seat.job;
}

const decode::DecodeJob* PhotoWorker::Next() {
  if (taken_ >= kPhotosAUnit || !decode::MayPair(Peek(), turns_.options)) return nullptr;
  return Take();
}

void PhotoWorker::Finish(const decode::DecodeJob& job, Result<decode::DecodeReport> report) {
  seats_[&job == &seats_[0].job ? 0 : 1].taken = false;
  if (report.ok()) {
    ++done_;
  } else {
    failure_ = report.status();
  }
}

Result<double> PhotoWorker::Work() {
  taken_ = 0;
  done_ = 0;
  failure_ = Status::Ok();
  decoder_->DecodeFeed(*Take(), *this);
  if (failure_.ok() || on_failure_ == OnFailure::kSkip) return done_;
  return Status(Code::kInternal, "a photo that decoded before does not any more: " + failure_.message());
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
