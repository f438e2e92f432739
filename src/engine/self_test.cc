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
  std::optional<Status> photo;
  Status text;
};

SelfTest::SelfTest(pipeline::Pipeline& pipeline, metrics::Registry& registry, Clock::duration interval)
    : pipeline_(pipeline), registry_(registry), interval_(interval) {
  for (const pipeline::ModelView& view : pipeline.models()) {
    models_.push_back({view, Clock::now(), {}, nullptr, nullptr});
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
      std::optional<Status> photo;
      Status text;
      {
        std::scoped_lock lock(model.answer->mutex);
        photo = model.answer->photo;
        text = model.answer->text;
      }
      if (photo) {
        Take(model, *photo, text, now);
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
    const bool works = model.works && model.text_works;
    const Clock::duration rest =
        works ? interval_ : std::min<Clock::duration>(interval_, std::chrono::seconds(1));
    const TimePoint since = model.text_works ? std::max(encoded, model.rested_since) : model.rested_since;
    if (model.request == nullptr && now - since >= rest) Ask(model, now);
    all_work = all_work && model.works && model.text_works;
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
    answer->photo =
        result.items.empty() ? Status(Code::kCancelled, "no answer") : result.items.front().status;
    answer->text = result.items.empty() ? *answer->photo : result.items.back().status;
  });
  if (!request.ok()) return Take(model, request.status(), request.status(), now);
  model.request = std::move(*request);
  model.request->Add(Bytes(nullptr, kPhoto));
  if (model.view.text != nullptr) model.request->Add(pipeline::Text{"photo"});
  model.request->Finish();
}

void SelfTest::Take(Model& model, const Status& photo, const Status& text, TimePoint now) {
  model.request.reset();
  model.rested_since = now;
  const bool encoded_others = pipeline_.LastEncoded(model.view.index) >= model.asked_at;
  const Status& told = photo.ok() ? text : photo;
  registry_
      .GetCounter(metrics::name::kSelfTests, "Photos that the server gave itself to see whether it works",
                  {{metrics::label::kModel, std::string(model.view.name)},
                   {metrics::label::kCode, std::string(CodeName(told.code()))}})
      ->Add();
  Judge(model, "photo", encoded_others ? Status::Ok() : photo, model.works);
  if (model.view.text != nullptr) Judge(model, "text", text, model.text_works);
}

void SelfTest::Judge(const Model& model, const char* what, const Status& status, bool& works) const {
  if (status.ok()) {
    works = true;
  } else if (!SaysNothing(status.code()) && std::exchange(works, false)) {
    log::error("model {}: the server's own {} failed: {}", model.view.name, what, status.ToString());
  }
}

}  // namespace photovec::engine
