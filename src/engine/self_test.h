// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "base/deadline.h"
#include "metrics/registry.h"
#include "pipeline/pipeline.h"

namespace photovec::engine {

/// Asks a running pipeline now and then whether it still makes vectors: a photo of one pixel goes the way
/// that every photo goes, through each model, and a word beside it where the model takes texts. A model that
/// computed a batch of photos lately is not asked. Used by one thread, which calls Look() some times a
/// second; nothing here blocks.
class SelfTest {
 public:
  /// \param interval how long a model may be idle before it is asked, and how long its answer may take.
  /// \param pipeline, registry borrowed; must outlive it.
  SelfTest(pipeline::Pipeline& pipeline, metrics::Registry& registry, Clock::duration interval);
  /// Takes back what is not answered.
  ~SelfTest();
  SelfTest(const SelfTest&) = delete;
  SelfTest& operator=(const SelfTest&) = delete;

  /// \return whether every model works: false while one did not encode in time, or failed by its own fault.
  /// A refusal for want of room or of decoders says nothing about it, and others tell of that.
  bool Look(TimePoint now);

 private:
  struct Answer;
  struct Model {
    pipeline::ModelView view;
    TimePoint rested_since;  ///< the start, or the last answer
    TimePoint asked_at;
    std::unique_ptr<pipeline::Request> request;  ///< null: not asked
    std::shared_ptr<Answer> answer;
    bool works = true;
    bool text_works = true;
  };
  void Ask(Model& model, TimePoint now);
  void Take(Model& model, const Status& photo, const Status& text, TimePoint now);
  void Judge(const Model& model, const char* what, const Status& status, bool& works) const;

  pipeline::Pipeline& pipeline_;
  metrics::Registry& registry_;
  const Clock::duration interval_;
  std::vector<Model> models_;
};

}  // namespace photovec::engine
