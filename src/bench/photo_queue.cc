// SPDX-License-Identifier: MIT
#include "bench/photo_queue.h"

#include <string>

#include "base/checksum/crc.h"
#include "base/clock.h"

namespace photovec::bench {

PhotoQueue::PhotoQueue(decode::Decoder& decoder, const preprocess::Spec& spec,
                       const decode::DecodeOptions& options)
    : decoder_(decoder), spec_(spec), options_(options) {
  for (Seat& seat : seats_) seat.slot.resize(spec.slot_bytes());
}

const decode::DecodeJob* PhotoQueue::Next() {
  if (next_ == photos_.size()) return nullptr;
  Seat& seat = seats_[seats_[0].taken ? 1 : 0];
  seat.taken = true;
  seat.photo = next_++;
  seat.job = {};
  seat.job.encoded = photos_[seat.photo].encoded;
  seat.job.spec = &spec_;
  seat.job.options = options_;
  seat.job.out = seat.slot;
  return &seat.job;
}

void PhotoQueue::Finish(const decode::DecodeJob& job, Result<decode::DecodeReport> report) {
  const auto begin = ThreadCpuTime();
  Seat& seat = seats_[&job == &seats_[0].job ? 0 : 1];
  seat.taken = false;
  if (!report.ok()) {
    status_ = report.status();
  } else if (Crc32c(seat.slot) != photos_[seat.photo].checksum) {
    status_ = Status(Code::kInternal, "photo " + std::to_string(seat.photo) +
                                          " of a class has other pixels beside another one than alone");
  }
  checks_ms_ += Seconds(ThreadCpuTime() - begin) * 1e3;
}

Status PhotoQueue::Time() {
  next_ = 0;
  checks_ms_ = 0;
  const auto begin = ThreadCpuTime();
  while (const decode::DecodeJob* first = Next()) decoder_.DecodeFeed(*first, *this);
  const double ms = Seconds(ThreadCpuTime() - begin) * 1e3 - checks_ms_;
  if (!photos_.empty()) ms_.push_back(ms / static_cast<double>(photos_.size()));
  return status_;
}

}  // namespace photovec::bench
