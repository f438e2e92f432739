// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "bulk/partial_result.h"
#include "bulk/source.h"
#include "bulk/stage_summary.h"
#include "pipeline/pipeline.h"

namespace photovec::bulk {

/// Drives any number of files through a pipeline in bounded memory, writes their outcomes in input order, and
/// saves checkpoints. Files go in as requests of kChunk; a few requests are unfinished at a time, and a
/// bounded number of finished ones may wait for an older one. One thread calls Run().
class EmbedRun {
 public:
  static constexpr int kChunk = 64;
  static constexpr size_t kMaxHeld = 64;  ///< with finished ones that wait their turn: 8 MiB of vectors

  struct Hooks {
    std::function<bool()> stop;  ///< asked between requests; true: take no more input
    std::function<void(int64_t done, int64_t failed)> progress;  ///< at least 5 times a second
  };
  struct Options {
    size_t max_unfinished = 2;         ///< requests in the pipeline at a time; see UnfinishedFor()
    int64_t checkpoint_images = 0;     ///< after so many; 0: only by time
    int64_t checkpoint_ms = 30'000;    ///< after so much time; 0: only by images
    int64_t earlier_milliseconds = 0;  ///< of work in earlier runs
  };

  EmbedRun(pipeline::Pipeline& pipeline, Source& source, PartialResult& output, Options options, Hooks hooks);

  /// How many requests keep a pipeline with that many pixel slots busy: three photos for each slot, at least
  /// two requests. No more, since Ctrl-C waits for them.
  static size_t UnfinishedFor(int slots);

  /// Until the input ends, `stop` says so, or the device failed; then what is in flight is finished and
  /// written, up to the first image that the device did not compute, and a checkpoint is saved.
  /// Errors: kUnavailable when the output cannot be written; those of the source.
  Status Run();

  StageSummary& summary() { return summary_; }
  int64_t session_milliseconds() const { return MicrosBetween(begun_, Clock::now()) / 1000; }
  /// Of work, earlier runs included.
  int64_t milliseconds() const { return options_.earlier_milliseconds + session_milliseconds(); }
  bool stopped() const { return stopped_; }  ///< ended before its input did

 private:
  // One request: its files and, once `finished`, what became of them. Guarded by Shared::mutex.
  struct Chunk {
    std::vector<Found> files;
    pipeline::RequestResult result;  // of those that were not kept
    bool finished = false;
  };
  // Outlives this object if the pipeline still holds a callback.
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    size_t unfinished = 0;
  };

  std::shared_ptr<Chunk> NextChunk();
  Status Submit(const std::shared_ptr<Chunk>& chunk);
  Status Write(Chunk& chunk);
  Status SaveIfDue();
  Status TakeMore();
  bool MayTakeMore();
  std::shared_ptr<Chunk> WaitForOldest();

  pipeline::Pipeline& pipeline_;
  Source& source_;
  PartialResult& output_;
  const Options options_;
  Hooks hooks_;
  const TimePoint begun_ = Clock::now();
  TimePoint saved_at_ = begun_;
  StageSummary summary_;
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::deque<std::shared_ptr<Chunk>> held_;  // in input order
  bool input_ended_ = false;
  bool stopped_ = false;
  bool cut_ = false;  // an image was not computed: it and what follows is not written
};

}  // namespace photovec::bulk
