// SPDX-License-Identifier: MIT
#include "pipeline/decode_stage.h"

#include <algorithm>
#include <array>
#include <exception>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/checksum/digest.h"
#include "base/thread_pool.h"

namespace photovec::pipeline {
namespace {

// Hashing 150 KB takes 0.1 ms (0.3 without SHA instructions), decoding them 10: a thread that has done so
// many lookups decodes a photo if it can, so that streams do not run dry behind a request of a thousand
// photos, and for a photo that is found the wait for its lookup stays short.
constexpr int kLookupsInARow = 8;
// So long after the last plain photo one decoder is still kept for the next: a big one has it for seconds.
constexpr std::chrono::seconds kKeptForPlain{5};

Status Thrown(const char* what) {
  return {Code::kInternal, std::string("the decoder threw an exception: ") + what};
}

}  // namespace

/// One thread's images: those that its decoder has, at most two, and where the next ones come from.
class DecodeStage::Feed final : public decode::JobFeed {
 public:
  Feed(DecodeStage& stage, int index) : stage_(stage), index_(index) {}

  /// The next image, when there is one; null when the stage stops.
  const decode::DecodeJob* Await() {
    return Take([this](Work& work) { return stage_.Await(work, lookups_); });
  }
  const decode::DecodeJob* Next() override {
    return Take([this](Work& work) { return stage_.TakeSecond(work, lookups_); });
  }
  void Finish(const decode::DecodeJob& job, Result<decode::DecodeReport> report) override {
    const auto entry =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& each) { return &each.job == &job; });
    PHOTOVEC_CHECK(entry != entries_.end(), "a decoder finished an image that it does not have");
    Work work = std::exchange(entry->work, {});
    if (report.ok() && report->wants.bytes > 0) return stage_.PutAside(std::move(work), report->wants);
    Item& item = *work.item;
    const TimePoint end = Clock::now();
    if (!work.memory) stage_.plain_at_.store(end, std::memory_order_relaxed);
    stage_.GiveMemoryBack(work);
    item.DropBytes();
    stage_.on_bytes_dropped_();
    if (!report.ok()) {
      work.slot.reset();  // before the item ends: a waiting image of the same request may go on meanwhile
      return item.Fail(report.status());
    }
    item.trail().jpeg_by = decode::WhoDecoded(*report);
    if (report->damaged) item.OnDamaged(report->rows_ok);
    // A decoder in another process reports by its own reading of the clock.
    item.times().MarkAt(Border::kDecodeEnd, std::clamp(report->decoded_at, entry->start, end));
    item.times().MarkAt(Border::kPreprocessEnd, end);
    stage_.next_(std::move(work.item), std::move(*work.slot));
  }
  /// Ends what the decoder left when it threw.
  void FailAll(const Status& status) {
    for (Entry& entry : entries_) {
      if (entry.work.item != nullptr) Finish(entry.job, status);
    }
  }

 private:
  struct Entry {
    Work work;  // without an item: the entry is free
    decode::DecodeJob job;
    TimePoint start;
  };

  // Looks images up and ends those that were given up, until one is to be decoded.
  template <typename Source>
  const decode::DecodeJob* Take(Source source) {
    for (Work work; source(work); work = {}) {
      lookups_ = work.look_up ? lookups_ + 1 : 0;
      work.item->model().decode_waiting.fetch_sub(1, std::memory_order_relaxed);
      if (work.item->IsGivenUp(Clock::now()) || !(work.look_up || work.slot)) {
        stage_.GiveMemoryBack(work);
        work.item->EndGivenUp(DropQueue::kDecode);
      } else if (work.look_up) {
        stage_.LookUp(std::move(work.item));
      } else {
        return Enter(std::move(work));
      }
    }
    return nullptr;
  }

  const decode::DecodeJob* Enter(Work work) {
    Entry& entry = entries_[entries_[0].work.item == nullptr ? 0 : 1];
    PHOTOVEC_CHECK(entry.work.item == nullptr, "a decoder asked for a third image");
    entry.work = std::move(work);
    Item& item = *entry.work.item;
    item.OnStarted();
    item.trail().decoder = index_;
    entry.job = stage_.JobFor(entry.work);
    entry.start = Clock::now();
    item.times().MarkAt(Border::kDecodeStart, entry.start);
    return &entry.job;
  }

  DecodeStage& stage_;
  const int index_;
  int lookups_ = 0;  // since an image was taken to be decoded
  std::array<Entry, 2> entries_;
};

DecodeStage::DecodeStage(std::vector<std::unique_ptr<decode::Decoder>> decoders,
                         decode::DecodeOptions options, int models, ResultCache* cache,
                         decode::DecodeMemory* memory, std::function<void()> on_bytes_dropped, Next next)
    : options_(options),
      models_(static_cast<size_t>(models)),
      cache_(cache),
      memory_(memory),
      on_bytes_dropped_(std::move(on_bytes_dropped)),
      next_(std::move(next)),
      decoders_(std::move(decoders)) {
  for (size_t i = 0; i < decoders_.size(); ++i) {
    threads_.emplace_back([this, i] { Run(static_cast<int>(i), *decoders_[i]); });
  }
}

void DecodeStage::Push(ItemPtr item) {
  item->model().decode_waiting.fetch_add(1, std::memory_order_relaxed);
  const Turn turn = item->turn();
  const bool look_up = cache_ != nullptr && !item->request().self_test;
  std::scoped_lock lock(mutex_);
  if (look_up) {
    lookups_.Push(turn, std::move(item));
  } else {
    queue_.Push(turn, std::move(item));
    waiting_.fetch_add(1);
  }
  ready_.notify_one();
}

void DecodeStage::Sweep() {
  const TimePoint now = Clock::now();
  const auto unwanted = [&](const ItemPtr& waiting) { return waiting->IsGivenUp(now); };
  std::vector<ItemPtr> given_up;
  {
    std::scoped_lock lock(mutex_);
    queue_.Extract(unwanted, given_up);
    big_.Extract(unwanted, given_up);
    waiting_.fetch_sub(static_cast<int>(given_up.size()));
    lookups_.Extract(unwanted, given_up);
  }
  for (const ItemPtr& item : given_up) {
    item->model().decode_waiting.fetch_sub(1, std::memory_order_relaxed);
    item->EndGivenUp(DropQueue::kDecode);
  }
}

void DecodeStage::Wake() {
  // With nothing waiting there is nobody to wake: whoever pushes next looks for a slot anew.
  if (waiting_.load() == 0) return;
  std::scoped_lock lock(mutex_);
  ready_.notify_one();
}

void DecodeStage::Stop() {
  {
    std::scoped_lock lock(mutex_);
    stopped_ = true;
    ready_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void DecodeStage::Run(int index, decode::Decoder& decoder) {
  SetThreadName("decode-" + std::to_string(index));
  SetThreadNice(kWorkerNice);
  Feed feed(*this, index);
  while (const decode::DecodeJob* first = feed.Await()) {
    try {
      decoder.DecodeFeed(*first, feed);
    } catch (const std::exception& error) {
      feed.FailAll(Thrown(error.what()));
    } catch (...) {
      feed.FailAll(Thrown("of an unknown type"));
    }
  }
}

bool DecodeStage::Await(Work& work, int lookups) {
  std::unique_lock lock(mutex_);
  ++idle_threads_;
  ready_.wait(lock, [&] { return stopped_ || TakeReady(work, lookups); });
  --idle_threads_;
  return work.item != nullptr;
}

// For a thread that is decoding one already: never waits, and leaves to threads that do nothing what they can
// do.
bool DecodeStage::TakeSecond(Work& work, int lookups) {
  std::scoped_lock lock(mutex_);
  return idle_threads_ == 0 && TakeReady(work, lookups, true);
}

// \param lookups how many this thread did since it took an image to decode.
// \param second  whether the image is to be decoded beside another one.
bool DecodeStage::TakeReady(Work& work, int lookups, bool second) {
  if (lookups < kLookupsInARow && TakeLookup(work)) return true;
  return TakeBig(work) || TakeDecode(work, second) || (!second && TakeLookup(work));
}

bool DecodeStage::TakeLookup(Work& work) {
  std::optional<ItemPtr> item = lookups_.Pop();
  if (!item) return false;
  work.item = std::move(*item);
  work.look_up = true;
  return true;
}

// The big photo whose turn it is, with its memory and a slot. It was taken from the others in its turn, so it
// goes before them; when there is no room yet, no other big one may take it away.
bool DecodeStage::TakeBig(Work& work) {
  const TimePoint now = Clock::now();
  if (big_.empty() || !BigMayRun(now)) return false;
  std::optional<ItemPtr> item = big_.PopIf([&](const ItemPtr& waiting) {
    if (waiting->IsGivenUp(now)) return Look::kTake;
    work.memory = memory_->TryTake(waiting->big.bytes);
    if (!work.memory) return Look::kStop;
    work.slot = waiting->model().slots().TryAcquire();
    if (work.slot) return Look::kTake;
    work.memory.reset();
    return Look::kSkip;
  });
  if (!item) return false;
  if (work.memory) ++big_running_;
  waiting_.fetch_sub(1);
  work.item = std::move(*item);
  return true;
}

// Whoever has waited because of this is looked at again when a big one is done, of which there is one then.
bool DecodeStage::BigMayRun(TimePoint now) const {
  const size_t all = decoders_.size();
  const bool keep_one = all > 1 && now - plain_at_.load(std::memory_order_relaxed) < kKeptForPlain;
  return big_running_ < (keep_one ? all - 1 : all);
}

// The next image whose turn it is, with a slot; images of models that have none free are passed over.
bool DecodeStage::TakeDecode(Work& work, bool second) {
  const TimePoint now = Clock::now();
  full_models_.clear();
  std::optional<ItemPtr> item = queue_.PopIf([&](const ItemPtr& waiting) {
    if (waiting->IsGivenUp(now)) return Look::kTake;
    if (second && !decode::MayPair(waiting->bytes.view(), options_)) return Look::kStop;  // it keeps its turn
    ModelRuntime& model = waiting->model();
    if (std::find(full_models_.begin(), full_models_.end(), &model) != full_models_.end()) return Look::kSkip;
    work.slot = model.slots().TryAcquire();
    if (work.slot) return Look::kTake;
    full_models_.push_back(&model);
    return full_models_.size() < models_ ? Look::kSkip : Look::kStop;  // thousands may wait behind it
  });
  if (!item) return false;
  waiting_.fetch_sub(1);
  work.item = std::move(*item);
  return true;
}

// Ends the image if its vector is known; else it waits for a slot like any other, and its vector will be
// kept.
void DecodeStage::LookUp(ItemPtr item) {
  Sha256 hash;
  hash.Update(item->bytes.view());
  if (const auto digest = hash.Digest()) {
    item->cache_key = {*digest, item->model().index(), ItemKind::kImage, item->request().preprocessing};
    std::vector<float> embedding;
    item->trail().looked_up = true;
    const bool found = cache_->Find(item->cache_key, embedding);
    item->model().metrics().ObserveLookup(found);
    if (found) {
      item->DropBytes();
      on_bytes_dropped_();
      return item->AnswerFromCache(std::move(embedding));
    }
    item->keep_in = cache_;
  }
  item->model().decode_waiting.fetch_add(1, std::memory_order_relaxed);
  const Turn turn = item->turn();
  std::scoped_lock lock(mutex_);
  queue_.Push(turn, std::move(item));
  waiting_.fetch_add(1);
  ready_.notify_one();
}

void DecodeStage::PutAside(Work work, const decode::DecodeCost& cost) {
  if (work.memory) {
    GiveMemoryBack(work);
    return work.item->Fail({Code::kInternal, "the image wants more memory each time that it is decoded"});
  }
  work.item->OnBig(cost);
  work.slot.reset();
  work.item->model().decode_waiting.fetch_add(1, std::memory_order_relaxed);
  const Turn turn = work.item->turn();
  std::scoped_lock lock(mutex_);
  big_.Push(turn, std::move(work.item));
  waiting_.fetch_add(1);
  ready_.notify_one();  // this thread may have another photo in its hands
}

// The thread that gives it back looks at once who may have it; there may be room for more than one.
void DecodeStage::GiveMemoryBack(Work& work) {
  if (!work.memory) return;
  work.memory.reset();
  std::scoped_lock lock(mutex_);
  --big_running_;
  if (!big_.empty()) ready_.notify_all();
}

decode::DecodeCost DecodeStage::Granted(const Work& work) const {
  if (work.memory) return work.item->big;
  constexpr int64_t kUnlimited = decode::DecodeCost::kUnlimited;
  if (memory_ == nullptr) return {kUnlimited, kUnlimited};
  return {memory_->own_bytes(), decode::DecodeCost::kLongCpuMs};
}

decode::DecodeJob DecodeStage::JobFor(const Work& work) const {
  const RequestOptions& request = work.item->request();
  decode::DecodeJob job;
  job.encoded = work.item->bytes.view();
  job.spec = &work.item->model().spec(request.preprocessing);
  job.options = options_;
  if (request.preprocessing == Preprocessing::kReplacedService)
    job.options.jpeg_scaling = decode::JpegScaling::kExact;
  job.out = work.slot->pixels();
  job.granted = Granted(work);
  job.deadline = request.deadline;
  return job;
}

}  // namespace photovec::pipeline
