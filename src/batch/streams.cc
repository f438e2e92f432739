// SPDX-License-Identifier: MIT
#include "batch/streams.h"

#include <algorithm>
#include <array>
#include <bit>
#include <exception>
#include <span>
#include <string>
#include <utility>

#include "base/deadline.h"
#include "base/thread_pool.h"

namespace photovec::batch {
namespace {

// As long as a batch of the bulk lane may keep those of the other lane waiting, and one of images texts. On
// CPUs that is about as many photos as make a batch worth its while; a GPU does its largest batch in less.
constexpr Clock::duration kBulkBatch = std::chrono::milliseconds(50);

// One batch between Submit and Wait. Recycled: after the first batches nothing is allocated.
struct InFlightBatch {
  std::vector<Ready> items;
  std::vector<PixelSlot> slots;         // of images
  std::vector<encode::TokenIds> texts;  // of texts
  std::vector<float> out;               // [most items, D]
  encode::Ticket ticket;
  TimePoint submitted;
};

// A float is NaN or Inf when all of its exponent bits are set. Integer arithmetic, so that the compiler may
// vectorise it (it may not reorder float comparisons).
bool AllFinite(std::span<const float> row) {
  constexpr uint32_t kExponent = 0x7F800000U;
  uint32_t bad = 0;
  for (const float value : row) {
    bad |= static_cast<uint32_t>((std::bit_cast<uint32_t>(value) & kExponent) == kExponent);
  }
  return bad == 0;
}

Status Thrown(const char* what) {
  return {Code::kInternal, std::string("the encoder threw an exception: ") + what};
}

// What stream `index` takes at a time, at the most.
BatchLimits LimitsOf(const encode::Encoder& encoder, int index) {
  const encode::EncoderInfo& info = encoder.info();
  BatchLimits limits;
  if (index < encoder.stream_count() - encoder.text_stream_count()) limits[0].items = info.max_batch;
  if (info.text) limits[1] = {info.text->max_batch, info.text->max_batch, info.text->max_batch_tokens};
  return limits;
}

// What one stream's thread does, from its first batch to its last.
class StreamLoop {
 public:
  StreamLoop(encode::Encoder& encoder, int index, Batcher& batcher, const StreamsHooks& hooks,
             std::atomic<int64_t>& busy_us)
      : encoder_(encoder),
        stream_(encoder.stream(index)),
        index_(index),
        limits_(LimitsOf(encoder, index)),
        dim_(static_cast<size_t>(encoder.info().embedding_dim)),
        batcher_(batcher),
        hooks_(hooks),
        busy_us_(busy_us),
        ring_(static_cast<size_t>(std::max(1, stream_.depth()))) {
    for (InFlightBatch& batch : ring_) {
      const auto images = static_cast<size_t>(limits_[0].items);
      const auto texts = static_cast<size_t>(limits_[1].items);
      batch.slots.reserve(images);
      batch.texts.reserve(texts);
      batch.items.reserve(std::max(images, texts));
      batch.out.resize(std::max(images, texts) * dim_);
    }
  }

  void Run() {
    for (;;) {
      // Only an idle stream sleeps in Take; one with a batch in flight takes what is there and goes on.
      bool open = true;
      while (open && !lost_ && in_flight_ < ring_.size()) {
        InFlightBatch& next = ring_[(oldest_ + in_flight_) % ring_.size()];
        open = batcher_.Take(Limits(), in_flight_ == 0, next.items);
        if (!open || next.items.empty()) break;
        Start(next);
      }
      if (in_flight_ > 0) {
        FinishOldest();
      } else if (!open || lost_) {
        return;
      }
    }
  }

 private:
  // What it takes now: as many as lately fit into kBulkBatch where a batch is to be brief.
  BatchLimits Limits() const {
    BatchLimits limits = limits_;
    for (size_t kind = 0; kind < limits.size(); ++kind) {
      BatchLimit& limit = limits[kind];
      limit.brief = limit.items;
      if (item_us_[kind] <= 0) continue;
      const double most = 1e6 * Seconds(kBulkBatch) / item_us_[kind];
      if (most < limit.items) limit.brief = std::max(1, static_cast<int>(most));
    }
    return limits;
  }

  void Start(InFlightBatch& batch) {
    batch.slots.clear();
    batch.texts.clear();
    batch.submitted = Clock::now();
    const Taken taken{batch.submitted, index_, batches_++, static_cast<int>(batch.items.size())};
    for (const Ready& item : batch.items) {
      if (item.kind() == ItemKind::kText) {
        batch.texts.emplace_back(item.ids);
      } else {
        batch.slots.push_back(item.slot.view());
      }
      item.client->OnTaken(taken);
    }
    const Status status = Submit(batch);
    if (status.ok()) {
      ++in_flight_;
    } else {
      Deliver(batch, status);
    }
  }

  void FinishOldest() {
    InFlightBatch& batch = ring_[oldest_];
    const Status status = Wait(batch.ticket);
    oldest_ = (oldest_ + 1) % ring_.size();
    --in_flight_;
    Deliver(batch, status);
  }

  Status Submit(InFlightBatch& batch) {
    try {
      auto ticket = batch.texts.empty() ? stream_.Submit(batch.slots, Rows(batch))
                                        : stream_.SubmitTexts(batch.texts, Rows(batch));
      ASSIGN_OR_RETURN(batch.ticket, std::move(ticket));
      return Status::Ok();
    } catch (const std::exception& error) {
      return Thrown(error.what());
    } catch (...) {
      return Thrown("of unknown type");
    }
  }

  Status Wait(encode::Ticket ticket) {
    try {
      return stream_.Wait(ticket);
    } catch (const std::exception& error) {
      return Thrown(error.what());
    } catch (...) {
      return Thrown("of unknown type");
    }
  }

  void Deliver(InFlightBatch& batch, const Status& status) {
    const TimePoint now = Clock::now();
    // Batches of one stream overlap when depth() > 1: the time they share counts once.
    const int64_t busy_us = MicrosBetween(std::max(batch.submitted, busy_until_), now);
    busy_us_ += busy_us;
    const double each_us = static_cast<double>(busy_us) / static_cast<double>(batch.items.size());
    const ItemKind kind = batch.texts.empty() ? ItemKind::kImage : ItemKind::kText;
    double& item_us = item_us_[static_cast<size_t>(kind)];
    item_us += (item_us > 0 ? 0.1 : 1.0) * (each_us - item_us);
    busy_until_ = now;
    if (hooks_.on_batch) {
      hooks_.on_batch({index_, static_cast<int>(batch.items.size()), kind,
                       MicrosBetween(batch.submitted, now), status.ok()});
    }
    // Before the clients hear of it, so that the server is not ready by the time that they retry.
    if (status.code() == Code::kDeviceFailed) OnFailure(status);
    for (Ready& item : batch.items) item.slot.Release();
    for (size_t i = 0; i < batch.items.size(); ++i) {
      const std::span<const float> row = Rows(batch).subspan(i * dim_, dim_);
      Client& client = *batch.items[i].client;
      if (!status.ok()) {
        client.OnEncoded(status, {}, now);
      } else if (!AllFinite(row)) {
        client.OnEncoded(Status(Code::kNanEmbedding, std::string("the model gave NaN or infinity for this ") +
                                                         (kind == ItemKind::kText ? "text" : "image")),
                         {}, now);
      } else {
        client.OnEncoded(status, row, now);
      }
    }
    batch.items.clear();
  }

  // A stream that hangs may be survived by the others, if they take images; a broken device may not.
  void OnFailure(const Status& status) {
    bool others = false;
    for (int i = 0; i < encoder_.stream_count() - encoder_.text_stream_count(); ++i) {
      others = others || encoder_.stream(i).usable();
    }
    if (stream_.usable() || !others) {
      if (hooks_.on_device_failure) hooks_.on_device_failure(status);
    } else if (!std::exchange(lost_, true) && hooks_.on_stream_lost) {
      hooks_.on_stream_lost(index_, status);
    }
  }

  std::span<float> Rows(InFlightBatch& batch) const { return {batch.out.data(), batch.items.size() * dim_}; }

  encode::Encoder& encoder_;
  encode::EncoderStream& stream_;
  const int index_;
  const BatchLimits limits_;
  const size_t dim_;  // D
  Batcher& batcher_;
  const StreamsHooks& hooks_;
  std::atomic<int64_t>& busy_us_;
  std::vector<InFlightBatch> ring_;  // a ring: in_flight_ batches from oldest_ on
  size_t oldest_ = 0;
  size_t in_flight_ = 0;
  int64_t batches_ = 0;  // started so far
  TimePoint busy_until_;
  std::array<double, kItemKindCount> item_us_{};  // of an item of each kind, lately; 0: not known
  bool lost_ = false;                             // takes no more; what is in flight is still answered
};

}  // namespace

Streams::Streams(encode::Encoder& encoder, Batcher& batcher, StreamsHooks hooks)
    : encoder_(encoder),
      batcher_(batcher),
      hooks_(std::move(hooks)),
      busy_us_(static_cast<size_t>(encoder.stream_count())) {
  threads_.reserve(busy_us_.size());
  for (int i = 0; i < encoder.stream_count(); ++i) threads_.emplace_back([this, i] { Run(i); });
}

Streams::~Streams() {
  batcher_.Close();
  for (std::thread& thread : threads_) thread.join();
}

void Streams::Run(int index) {
  SetThreadName("encode-" + std::to_string(index));
  SetThreadNice(kWorkerNice);
  StreamLoop(encoder_, index, batcher_, hooks_, busy_us_[static_cast<size_t>(index)]).Run();
}

}  // namespace photovec::batch
