// SPDX-License-Identifier: MIT
#include "testing/fake_pipeline.h"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <utility>

namespace photovec::test {

struct FakePipeline::State {
  State(FakePipeline& owner, pipeline::RequestOptions options, pipeline::RequestDone done)
      : owner(owner), options(options), done(std::move(done)) {
    result.started = Clock::now();
  }
  FakePipeline& owner;
  const pipeline::RequestOptions options;
  pipeline::RequestDone done;
  std::mutex mutex;
  pipeline::RequestResult result;
  std::vector<pipeline::Source> held_bytes;  // alive, and so paid for, until the answer
  bool holds = false;
  size_t last_image = 0;  // its number among all images of the pipeline, from 1
  bool finished = false;
  bool cancelled = false;
  bool answered = false;
};

namespace {

pipeline::ItemResult Embed(const FakePipeline::State& state, std::string_view content) {
  pipeline::ItemResult item;
  for (int border = 0; border < kBorderCount; ++border) item.times.Mark(static_cast<Border>(border));
  item.embedding = FakePipeline::VectorOf(content, state.options.normalize);
  item.embedding.resize(static_cast<size_t>(state.owner.dim()));
  item.trail.cached = content.starts_with("HIT");
  item.trail.looked_up = item.trail.cached || content.starts_with("MISS");
  return item;
}

pipeline::ItemResult Failed(Code code, const char* message) { return {Status(code, message), {}, {}}; }

/// As many tokens as bytes.
pipeline::ItemResult EmbedText(const FakePipeline::State& state, std::string_view text) {
  if (!state.owner.takes_text()) return Failed(Code::kInvalidRequest, "the model takes images alone");
  if (const Status failure = state.owner.text_failure(); !failure.ok()) return {failure, {}, {}};
  if (text.starts_with("BAD")) return Failed(Code::kInvalidRequest, "the text is longer than 64 KiB");
  pipeline::ItemResult item = Embed(state, text);
  item.tokens = static_cast<int>(text.size());
  return item;
}

class FakeRequest final : public pipeline::Request {
 public:
  explicit FakeRequest(std::shared_ptr<FakePipeline::State> state) : state_(std::move(state)) {}
  ~FakeRequest() override {
    CancelRequest();
    FinishRequest();
  }

  void Add(pipeline::Source source) override {
    pipeline::ItemResult item;
    bool holds = false;
    if (const auto* text = std::get_if<pipeline::Text>(&source)) {
      holds = state_->owner.hold_all();
      item = EmbedText(*state_, text->text);
    } else if (const auto* reference = std::get_if<pipeline::Reference>(&source)) {
      if (reference->text.starts_with("missing")) {
        item = Failed(Code::kNotFound, "no such file under the image root");
      } else if (reference->text.starts_with("../")) {
        item = Failed(Code::kSourceNotAllowed, "the source is not allowed");
      } else {
        item = Embed(*state_, reference->text);
      }
    } else {
      const auto view = std::get<Bytes>(source).view();
      const std::string_view content(reinterpret_cast<const char*>(view.data()), view.size());
      holds = content.starts_with("HOLD") || state_->owner.hold_all();
      if (content.empty() || content.starts_with("<html")) {
        item = Failed(Code::kUnsupportedFormat, "not an image");
      } else if (content.starts_with("BAD")) {
        item = Failed(Code::kImageCorrupt, "the JPEG ends after 3 of 4000 rows");
      } else {
        item = Embed(*state_, content);
      }
    }
    {
      std::scoped_lock lock(state_->mutex);
      state_->result.items.push_back(std::move(item));
      state_->holds = state_->holds || holds;
      if (holds) state_->held_bytes.push_back(std::move(source));
    }
    const size_t number = state_->owner.NoteImage();
    std::scoped_lock lock(state_->mutex);
    state_->last_image = number;
  }

  void AddFailed(Status status) override {
    std::scoped_lock lock(state_->mutex);
    state_->result.items.push_back({std::move(status), {}, {}});
  }

  void Finish() override { FinishRequest(); }
  void FinishRequest() {
    bool hold = false;
    {
      std::scoped_lock lock(state_->mutex);
      if (std::exchange(state_->finished, true)) return;
      hold = state_->holds && !state_->cancelled;
    }
    hold ? state_->owner.Hold(state_) : state_->owner.Answer(state_);
  }

  void Cancel() override { CancelRequest(); }
  void CancelRequest() {
    bool answer = false;
    {
      std::scoped_lock lock(state_->mutex);
      if (std::exchange(state_->cancelled, true)) return;
      answer = state_->finished;
    }
    state_->owner.NoteCancelled();
    if (answer) state_->owner.Answer(state_);
  }

  size_t size() const override { return state_->result.items.size(); }

 private:
  std::shared_ptr<FakePipeline::State> state_;
};

}  // namespace

FakePipeline::FakePipeline(uint64_t budget_bytes) : budget_(budget_bytes) {
  info_.backend = "fake";
  info_.precision = "f32";
  info_.image_size = 8;
  info_.embedding_dim = kDim;
  text_info_.rule = "clip-bpe/fake";
  text_info_.max_length = 77;
  admission_->AddModel({});
}

FakePipeline::~FakePipeline() { ReleaseHeld(); }

std::vector<float> FakePipeline::VectorOf(std::string_view content, bool normalize) {
  std::vector<float> v(kDim);
  const auto mix = [&](std::string_view piece) {
    for (size_t i = 0; i < piece.size(); ++i) {
      v[i % kDim] += static_cast<float>(static_cast<unsigned char>(piece[i])) * 0.01F;
    }
  };
  // Both ends tell images apart; reading all of every byte would dominate the load tests.
  mix(content.substr(0, 64));
  if (content.size() > 64) mix(content.substr(content.size() - 64));
  v[1] += static_cast<float>(content.size()) * 0.001F;
  v[0] += 1.0F;
  if (!normalize) return v;
  float norm = 0;
  for (const float x : v) norm += x * x;
  for (float& x : v) x /= std::sqrt(norm);
  return v;
}

Result<std::unique_ptr<pipeline::Request>> FakePipeline::Open(pipeline::RequestOptions options,
                                                              pipeline::RequestDone done) {
  std::scoped_lock lock(mutex_);
  last_options_ = options;
  auto state = std::make_shared<State>(*this, options, std::move(done));
  return std::unique_ptr<pipeline::Request>(std::make_unique<FakeRequest>(std::move(state)));
}

std::vector<pipeline::ModelView> FakePipeline::models() const {
  return {{0, "clip", "f00dfeed", &info_, takes_text_ ? &text_info_ : nullptr, score_, {}, {}, shortening_}};
}

std::optional<pipeline::ModelView> FakePipeline::FindModel(std::string_view name) const {
  if (!name.empty() && name != "clip") return std::nullopt;
  return models().front();
}

size_t FakePipeline::NoteImage() {
  std::scoped_lock lock(mutex_);
  ++images_;
  changed_.notify_all();
  return images_;
}

void FakePipeline::NoteCancelled() {
  std::scoped_lock lock(mutex_);
  ++cancelled_;
  changed_.notify_all();
}

bool FakePipeline::WaitForImages(size_t images) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return images_ >= images; });
}

bool FakePipeline::WaitForCancelled(size_t requests) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return cancelled_ >= requests; });
}

std::optional<pipeline::RequestOptions> FakePipeline::last_options() const {
  std::scoped_lock lock(mutex_);
  return last_options_;
}

void FakePipeline::Hold(std::shared_ptr<State> state) {
  {
    std::scoped_lock lock(mutex_);
    // Released between its last image and here, as a test may do that waits for images only.
    if (state->last_image > released_images_) {
      held_.push_back(std::move(state));
      changed_.notify_all();
      return;
    }
  }
  Answer(std::move(state));
}

bool FakePipeline::WaitForHeld(size_t requests) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return held_.size() >= requests; });
}

void FakePipeline::ReleaseHeld() {
  std::vector<std::shared_ptr<State>> held;
  {
    std::scoped_lock lock(mutex_);
    held.swap(held_);
    released_images_ = images_;
  }
  for (auto& state : held) Answer(std::move(state));
}

void FakePipeline::Answer(std::shared_ptr<State> state) {
  std::function<void()> task = [state = std::move(state)] {
    pipeline::RequestResult result;
    {
      std::scoped_lock lock(state->mutex);
      if (std::exchange(state->answered, true)) return;
      result = std::move(state->result);
      state->held_bytes.clear();
    }
    result.finished = Clock::now();
    std::exchange(state->done, nullptr)(std::move(result));
  };
  while (!thread_.TryPost(task)) {
  }
}

}  // namespace photovec::test
