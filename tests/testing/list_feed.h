// SPDX-License-Identifier: MIT
#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "decode/decoder.h"
#include "testing/test_images.h"

namespace photovec::test {

/// A decoder's feed of these files, all waiting from the start, and what became of each.
class ListFeed final : public decode::JobFeed {
 public:
  ListFeed(const std::vector<Encoded>& files, const preprocess::Spec& spec,
           const decode::DecodeOptions& options)
      : pixels_(files.size(), std::vector<uint8_t>(spec.slot_bytes())), reports_(files.size()) {
    for (size_t i = 0; i < files.size(); ++i) {
      decode::DecodeJob& job = jobs_.emplace_back();
      job.encoded = files[i];
      job.spec = &spec;
      job.options = options;
      job.out = pixels_[i];
    }
  }

  /// Until nothing waits.
  void RunAll(decode::Decoder& decoder) {
    while (const decode::DecodeJob* first = Next()) decoder.DecodeFeed(*first, *this);
  }

  const decode::DecodeJob* Next() override { return next_ < jobs_.size() ? &jobs_[next_++] : nullptr; }
  void Finish(const decode::DecodeJob& job, Result<decode::DecodeReport> report) override {
    size_t i = 0;
    while (&jobs_.at(i) != &job) ++i;
    finished_twice_ |= reports_[i].has_value();
    reports_[i].emplace(std::move(report));
    order_.push_back(i);
  }

  /// Of a file that is finished.
  const Result<decode::DecodeReport>& report(size_t i) const { return reports_.at(i).value(); }
  const std::vector<uint8_t>& pixels(size_t i) const { return pixels_.at(i); }
  /// In which the files were finished.
  const std::vector<size_t>& order() const { return order_; }
  /// Whether each file was finished exactly once.
  bool complete() const { return !finished_twice_ && order_.size() == jobs_.size(); }

 private:
  std::deque<decode::DecodeJob> jobs_;
  std::vector<std::vector<uint8_t>> pixels_;
  std::vector<std::optional<Result<decode::DecodeReport>>> reports_;
  std::vector<size_t> order_;
  size_t next_ = 0;
  bool finished_twice_ = false;
};

}  // namespace photovec::test
