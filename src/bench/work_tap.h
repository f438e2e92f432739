// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "bulk/stage_summary.h"
#include "pipeline/pipeline.h"

namespace photovec::bench {

/// When each image was encoded. From it follows how much work was done between two moments without the
/// error of counting whole batches at both ends. Thread-safe.
class WorkTap {
 public:
  void Record(const pipeline::RequestResult& result);
  /// Images encoded from `begin` to `end`; one that was on a stream at either border counts by the share of
  /// its time inside.
  double ImagesBetween(TimePoint begin, TimePoint end) const;
  int64_t failed() const;
  /// Requests recorded so far.
  int64_t requests() const;
  /// Forgets what was recorded.
  void Clear();
  /// The stage times of everything since the last Clear().
  bulk::StageSummary TakeStages();

 private:
  struct Span {
    TimePoint begin, end;
  };
  mutable std::mutex mutex_;
  std::vector<Span> spans_;
  bulk::StageSummary stages_;
  int64_t requests_ = 0;
};

/// A pipeline that passes everything on and shows each finished request to a tap: what the benchmark puts
/// between itself (or the HTTP server) and the real one.
class TappedPipeline : public pipeline::Pipeline {
 public:
  /// Both are borrowed.
  TappedPipeline(pipeline::Pipeline& inner, WorkTap& tap) : inner_(inner), tap_(tap) {}

  Result<std::unique_ptr<pipeline::Request>> Open(pipeline::RequestOptions options,
                                                  pipeline::RequestDone done) override {
    return inner_.Open(options, [this, done = std::move(done)](pipeline::RequestResult result) {
      tap_.Record(result);
      done(std::move(result));
    });
  }
  MemoryBudget& budget() override { return inner_.budget(); }
  pipeline::Admission& admission() override { return inner_.admission(); }
  std::vector<pipeline::ModelView> models() const override { return inner_.models(); }
  std::optional<pipeline::ModelView> FindModel(std::string_view name) const override {
    return inner_.FindModel(name);
  }
  const pipeline::PipelineOptions& options() const override { return inner_.options(); }
  void Drain(Deadline deadline) override { inner_.Drain(deadline); }
  TimePoint LastEncoded(int model) const override { return inner_.LastEncoded(model); }
  bool device_failed() const override { return inner_.device_failed(); }

 private:
  pipeline::Pipeline& inner_;
  WorkTap& tap_;
};

}  // namespace photovec::bench
