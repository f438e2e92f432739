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

#include "base/status.h"
#include "bulk/output.h"
#include "bulk/stage_summary.h"
#include "bulk/walker.h"
#include "pipeline/pipeline.h"

namespace photovec::bulk {

/// Drives any number of files through a pipeline in bounded memory, and writes their outcomes in input order.
/// Files go in as requests of kChunk; a few requests are unfinished at a time, and a bounded number of
/// finished ones may wait for an older one. One thread calls Run().
class EmbedRun {
 public:
  static constexpr int kChunk = 64;
  static constexpr size_t kMaxHeld = 64;  ///< with finished ones that wait their turn: 8 MiB of vectors

  struct Hooks {
    std::function<bool()> stop;  ///< asked between requests; true: take no more input
    std::function<void(int64_t done, int64_t failed)> progress;  ///< at least 5 times a second
  };

  /// \param max_unfinished requests in the pipeline at a time; see UnfinishedFor().
  EmbedRun(pipeline::Pipeline& pipeline, PathWalker& walker, EmbedOutput& output, size_t max_unfinished,
           Hooks hooks);

  /// How many requests keep a pipeline with that many pixel slots busy: three photos for each slot, at least
  /// two requests. No more, since Ctrl-C waits for them.
  static size_t UnfinishedFor(int slots);

  /// Until the input ends, `stop` says so, or the device failed; then what is in flight is finished and
  /// written. Errors: kUnavailable when the output cannot be written.
  Status Run();

  const StageSummary& summary() const { return summary_; }
  bool stopped() const { return stopped_; }  ///< ended before its input did

 private:
  // One request: its files and, once `finished`, what became of them. Guarded by Shared::mutex.
  struct Chunk {
    std::vector<std::string> paths;
    std::vector<Status> path_errors;
    pipeline::RequestResult result;
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
  Status Write(const Chunk& chunk);
  bool MayTakeMore();
  std::shared_ptr<Chunk> WaitForOldest();

  pipeline::Pipeline& pipeline_;
  PathWalker& walker_;
  EmbedOutput& output_;
  const size_t max_unfinished_;
  Hooks hooks_;
  StageSummary summary_;
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::deque<std::shared_ptr<Chunk>> held_;  // in input order
  bool input_ended_ = false;
  bool stopped_ = false;
};

}  // namespace photovec::bulk
