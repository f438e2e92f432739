// SPDX-License-Identifier: MIT
#include "engine/self_test.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "metrics/names.h"

namespace photovec::engine {
namespace {

/// A GIF of one pixel.
constexpr uint8_t kPhoto[] = {'G', 'I', 'F', '8', '9', 'a', 1, 0, 1, 0, 0x80, 0, 0, 1,    2, 3, 4,  5,
                              6,   ',', 0,   0,   0,   0,   1, 0, 1, 0, 0,    2, 2, 0x44, 1, 0, ';'};

/// Others tell of these, and a test that met one knows nothing of the model.
bool SaysNothing(Code code) {
  return code == Code::kOverloaded || code == Code::kUnavailable || code == Code::kDecoderStalled ||
         code == Code::kCancelled;
}

}  // namespace

/// Shared with the pipeline, which may answer after everything else is gone.
struct SelfTest::Answer {
  std::mutex mutex;
  std::optional<Status> status;
};

SelfTest::SelfTest(pipeline::Pipeline& pipeline, metrics::Registry& registry, Clock::duration interval)
    : pipeline_(pipeline), registry_(registry), interval_(interval) {
  for (const pipeline::ModelView& view : pipeline.models()) {
    models_.push_back({view, Clock::now(), {}, nullptr, nullptr, true});
  }
}

SelfTest::~SelfTest() {
  for (Model& model : models_) {
    if (model.request != nullptr) model.request->Cancel();
  }
}

bool SelfTest::Look(TimePoint now) {
  bool all_work = true;
  for (Model& model : models_) {
    const TimePoint encoded = pipeline_.LastEncoded(model.view.index);
    if (model.request != nullptr) {
      std::optional<Status> status;
      {
        std::scoped_lock lock(model.answer->mutex);
        status = model.answer->status;
      }
      if (status) {
        Take(model, *status, now);
      } else if (now - model.asked_at > interval_ && encoded < model.asked_at &&
                 std::exchange(model.works, false)) {
        log::error(
            "model {}: no photo was encoded for {} s, the server's own included", model.view.name,
            std::chrono::duration_cast<std::chrono::seconds>(now - std::max(encoded, model.rested_since))
                .count());
      }
    }
    if (encoded > model.asked_at) model.works = true;
    // One that does not work is asked more often, so that its recovery shows.
    const Clock::duration rest =
        model.works ? interval_ : std::min<Clock::duration>(interval_, std::chrono::seconds(1));
    if (model.request == nullptr && now - std::max(encoded, model.rested_since) >= rest) Ask(model, now);
    all_work = all_work && model.works;
  }
  return all_work;
}

void SelfTest::Ask(Model& model, TimePoint now) {
  model.asked_at = now;
  model.answer = std::make_shared<Answer>();
  pipeline::RequestOptions options;
  options.model = model.view.index;
  options.normalize = false;
  options.deadline = Deadline(now + interval_);
  options.self_test = true;
  auto request = pipeline_.Open(options, [answer = model.answer](const pipeline::RequestResult& result) {
    std::scoped_lock lock(answer->mutex);
    answer->status =
        result.items.empty() ? Status(Code::kCancelled, "no answer") : result.items.front().status;
  });
  if (!request.ok()) return Take(model, request.status(), now);
  model.request = std::move(*request);
  model.request->Add(Bytes(nullptr, kPhoto));
  model.request->Finish();
}

void SelfTest::Take(Model& model, const Status& status, TimePoint now) {
  model.request.reset();
  model.rested_since = now;
  registry_
      .GetCounter(metrics::name::kSelfTests, "Photos that the server gave itself to see whether it works",
                  {{metrics::label::kModel, std::string(model.view.name)},
                   {metrics::label::kCode, std::string(CodeName(status.code()))}})
      ->Add();
  const bool encoded_others = pipeline_.LastEncoded(model.view.index) >= model.asked_at;
  if (status.ok() || encoded_others) {
    model.works = true;
  } else if (!SaysNothing(status.code()) && std::exchange(model.works, false)) {
    log::error("model {}: the server's own photo failed: {}", model.view.name, status.ToString());
  }
}

}  // namespace photovec::engine
