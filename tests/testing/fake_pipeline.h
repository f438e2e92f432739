// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "pipeline/pipeline.h"

namespace photovec::test {

/// A pipeline without stages: the "vector" of an image is computed from its bytes at once, on a thread of its
/// own as the real one does. Contents steer it:
///   bytes "BAD..."   image_corrupt         bytes "<html..."  unsupported_format
///   bytes "HIT..."   the answer comes from the result cache; "MISS..." it was not there
///   bytes "HOLD..."  no answer until ReleaseHeld() or the request is cancelled
///   reference "missing..." not_found       reference "../..." source_not_allowed
///   text "BAD..."    invalid_request; texts only after set_text()
class FakePipeline final : public pipeline::Pipeline {
 public:
  static constexpr int kDim = 4;

  explicit FakePipeline(uint64_t budget_bytes = 256ULL << 20);
  ~FakePipeline() override;

  Result<std::unique_ptr<pipeline::Request>> Open(pipeline::RequestOptions options,
                                                  pipeline::RequestDone done) override;
  MemoryBudget& budget() override { return budget_; }
  pipeline::Admission& admission() override { return *admission_; }
  std::vector<pipeline::ModelView> models() const override;
  std::optional<pipeline::ModelView> FindModel(std::string_view name) const override;
  const pipeline::PipelineOptions& options() const override { return options_; }
  void Drain(Deadline) override {}
  TimePoint LastEncoded(int) const override { return last_encoded_; }
  bool device_failed() const override { return device_failed_; }

  /// What the vector of these bytes (or of a reference's text) is.
  static std::vector<float> VectorOf(std::string_view content, bool normalize);

  /// Blocks until `images` have been added since the start; false after 10 s.
  bool WaitForImages(size_t images);
  /// Blocks until `requests` have been cancelled; false after 10 s.
  bool WaitForCancelled(size_t requests);
  /// Blocks until `requests` wait for ReleaseHeld(); false after 10 s.
  bool WaitForHeld(size_t requests);
  void ReleaseHeld();
  std::optional<pipeline::RequestOptions> last_options() const;
  void set_cache_bytes(uint64_t bytes) { options_.cache_bytes = bytes; }
  void set_hold_all(bool hold) {
    hold_all_ = hold;
  }  ///< images that come from now on, as if they were "HOLD..."
  bool hold_all() const { return hold_all_; }
  void set_last_encoded(TimePoint at) { last_encoded_ = at; }
  void set_device_failed(bool failed) { device_failed_ = failed; }
  void set_dim(int dim) { info_.embedding_dim = dim; }  ///< vectors are filled up with zeros

  /// The model has a text tower from now on; a text's vector is that of the same bytes.
  void set_text(pipeline::ScoreRule score = {}) {
    takes_text_ = true;
    score_ = score;
  }
  bool takes_text() const { return takes_text_; }
  /// What texts that come from now on end as, when not OK.
  void FailTexts(Status status) {
    std::scoped_lock lock(mutex_);
    text_failure_ = std::move(status);
  }
  Status text_failure() const {
    std::scoped_lock lock(mutex_);
    return text_failure_;
  }
  void set_shortening(pipeline::Shortening shortening) { shortening_ = std::move(shortening); }
  void set_max_items(int items) { options_.max_items_per_request = items; }

  /// What a request and the pipeline's thread share of it.
  struct State;

  // Called by the request.
  size_t NoteImage();  ///< the image's number, from 1
  void NoteCancelled();
  void Answer(std::shared_ptr<State> state);
  void Hold(std::shared_ptr<State> state);
  int dim() const { return info_.embedding_dim; }

 private:
  MemoryBudget budget_;
  std::shared_ptr<pipeline::Admission> admission_ =
      std::make_shared<pipeline::Admission>(pipeline::AdmissionOptions{});
  pipeline::PipelineOptions options_;
  encode::EncoderInfo info_;
  tokenize::TokenizerInfo text_info_;
  pipeline::ScoreRule score_;
  pipeline::Shortening shortening_;
  bool takes_text_ = false;
  Status text_failure_;
  std::atomic<bool> device_failed_{false};
  std::atomic<bool> hold_all_{false};
  std::atomic<TimePoint> last_encoded_{TimePoint{}};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  size_t images_ = 0;
  size_t cancelled_ = 0;
  size_t released_images_ = 0;  ///< what was held among the first so many is released
  std::optional<pipeline::RequestOptions> last_options_;
  std::vector<std::shared_ptr<State>> held_;
  ThreadPool thread_{"fake-pipeline", 1, 0, 100'000};
};

}  // namespace photovec::test
