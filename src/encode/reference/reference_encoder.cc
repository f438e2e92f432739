// SPDX-License-Identifier: MIT
#include "encode/reference/reference_encoder.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "encode/reference/text_tower.h"
#include "encode/reference/vit.h"
#include "encode/text_batch.h"
#include "model/fold/fold.h"

namespace photovec::encode {
namespace {

constexpr int kDefaultMaxBatch = 32;

class ReferenceStream : public EncoderStream {
 public:
  /// \param text null: no text tower.
  ReferenceStream(const reference::Vit& vit, const reference::TextTower* text, const EncoderInfo& info)
      : vit_(vit), text_(text), info_(info) {}

  Result<Ticket> Submit(std::span<const PixelSlot> slots, std::span<float> out) override {
    const auto batch = slots.size();
    if (batch == 0 || batch > static_cast<size_t>(info_.max_batch)) {
      return Status(Code::kInternal, "reference stream: a batch of " + std::to_string(batch) + ", 1 to " +
                                         std::to_string(info_.max_batch) + " expected");
    }
    if (out.size() != batch * static_cast<size_t>(info_.embedding_dim)) {
      return Status(Code::kInternal, "reference stream: room for " + std::to_string(out.size()) +
                                         " floats, " + std::to_string(batch) + " x " +
                                         std::to_string(info_.embedding_dim) + " expected");
    }
    return Start({{slots.begin(), slots.end()}, {}, out});
  }

  Result<Ticket> SubmitTexts(std::span<const TokenIds> texts, std::span<float> out) override {
    const int vocabulary = text_ == nullptr ? 0 : text_->config().vocabulary_size;
    RETURN_IF_ERROR(CheckTextBatch(info_, vocabulary, texts, out));
    return Start({{}, {texts.begin(), texts.end()}, out});
  }

  Status Wait(Ticket ticket) override {
    if (!pending_ || ticket.id != last_id_) {
      return {Code::kInternal, "reference stream: ticket " + std::to_string(ticket.id) + " is not in flight"};
    }
    const auto slot_bytes = static_cast<size_t>(info_.image_size) * static_cast<size_t>(info_.image_size) * 3;
    float* row = pending_->out.data();
    for (const PixelSlot& slot : pending_->slots) {
      row = std::ranges::copy(vit_.Embed({slot.data, slot_bytes}), row).out;
    }
    for (const TokenIds text : pending_->texts) row = std::ranges::copy(text_->Embed(text), row).out;
    pending_.reset();
    return Status::Ok();
  }

  int depth() const override { return 1; }

 private:
  struct Pending {
    std::vector<PixelSlot> slots;
    std::vector<TokenIds> texts;
    std::span<float> out;
  };

  Result<Ticket> Start(Pending pending) {
    if (pending_) return Status(Code::kInternal, "reference stream: one batch in flight at most");
    pending_ = std::move(pending);
    return Ticket{++last_id_};
  }

  const reference::Vit& vit_;
  const reference::TextTower* const text_;
  const EncoderInfo& info_;
  std::optional<Pending> pending_;
  uint64_t last_id_ = 0;
};

class ReferenceEncoder : public Encoder {
 public:
  ReferenceEncoder(const model::VisionModel& model, const model::TextModel* text,
                   const EncoderOptions& options)
      : vit_(model, options.normalization),
        text_streams_(text == nullptr ? 0 : std::max(0, options.text_streams)) {
    info_.backend = "reference";
    info_.precision = "f32";
    info_.detail = "naive loops, f64 sums";
    info_.image_size = model.config.image_size;
    info_.embedding_dim = model.config.embedding_dim();
    info_.max_batch = options.max_batch > 0 ? options.max_batch : kDefaultMaxBatch;
    info_.executed_flops_per_image = model.config.FlopsPerImage();
    info_.packed_bytes = vit_.weight_bytes();
    if (text != nullptr) {
      text_.emplace(*text);
      const model::TextConfig& config = text->config;
      info_.packed_bytes += text_->weight_bytes();
      info_.text = {.max_tokens = config.max_tokens,
                    .max_batch = info_.max_batch,
                    .max_batch_tokens = info_.max_batch * config.max_tokens,
                    .causal = config.causal,
                    .flops_per_token = model::ExecutedFlops(config, config.max_tokens) / config.max_tokens};
    }
    for (int i = 0; i < std::max(1, options.streams) + text_streams_; ++i) {
      streams_.push_back(std::make_unique<ReferenceStream>(vit_, text_ ? &*text_ : nullptr, info_));
    }
  }

  const EncoderInfo& info() const override { return info_; }
  int stream_count() const override { return static_cast<int>(streams_.size()); }
  int text_stream_count() const override { return text_streams_; }
  EncoderStream& stream(int index) override { return *streams_[static_cast<size_t>(index)]; }

  /// Nothing here is tuned or allocated ahead of time: one image proves that it works.
  Status Warmup() override {
    const auto side = static_cast<size_t>(info_.image_size);
    const std::vector<uint8_t> pixels(side * side * 3);
    std::vector<float> out(static_cast<size_t>(info_.embedding_dim));
    const PixelSlot slot{pixels.data(), PixelSlot::kHost};
    ASSIGN_OR_RETURN(const Ticket ticket, stream(0).Submit({&slot, 1}, out));
    return stream(0).Wait(ticket);
  }

 private:
  reference::Vit vit_;
  std::optional<reference::TextTower> text_;
  const int text_streams_;
  EncoderInfo info_;
  std::vector<std::unique_ptr<ReferenceStream>> streams_;
};

}  // namespace

Result<std::unique_ptr<Encoder>> CreateReferenceEncoder(const model::VisionModel& model,
                                                        const model::TextModel* text,
                                                        const EncoderOptions& options) {
  if (options.precision == Precision::kBF16) {
    return Status(Code::kInvalidRequest, "the reference backend computes in f32 only, not in bf16");
  }
  if (options.threads_per_stream > 1) {
    return Status(Code::kInvalidRequest, "the reference backend has one thread a stream, not " +
                                             std::to_string(options.threads_per_stream));
  }
  return std::unique_ptr<Encoder>(std::make_unique<ReferenceEncoder>(model, text, options));
}

}  // namespace photovec::encode
