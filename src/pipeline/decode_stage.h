// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/fair_queue.h"
#include "base/slot_pool.h"
#include "decode/decode_memory.h"
#include "decode/decoder.h"
#include "pipeline/item.h"
#include "pipeline/result_cache.h"

namespace photovec::pipeline {

/// Decodes and preprocesses: N threads at kWorkerNice, each with its own decoder, shared by all models. Takes
/// an image only when a slot of its model is free, fair between requests: a model whose streams are busy
/// holds up its own images and nobody else's. Waiting bytes are bounded by the memory budget. Thread-safe.
///
/// A decoder that works on one JPEG is given a second one beside it (Decoder::DecodeFeed) when its turn has
/// come, it waits already, and no other thread is free to take it: nobody waits for a second one, and on a
/// machine with idle threads every image has a thread of its own.
///
/// A photo that takes more memory than a decoder's own part, or very long, is put aside, without a slot,
/// until the common part has room for it: in the order of turns, the first one first, while smaller photos
/// pass. One decoder is kept for those while there are any.
///
/// With a result cache each image is looked up first, on the same threads, and needs no slot for that: one
/// that is found ends here, even while every slot is taken. Two images with the same bytes that are both on
/// their way when neither has its vector yet are both computed, as if there were no cache.
class DecodeStage {
 public:
  /// Takes an image whose pixels are made, with the slot that they lie in. On a decode thread; must not
  /// block.
  using Next = std::function<void(ItemPtr, SlotRef)>;

  /// \param decoders one per thread.
  /// \param models   how many there are.
  /// \param on_bytes_dropped called after a photo's bytes were let go, with no lock held.
  /// \param cache null: none; else it outlives this stage and the items.
  /// \param memory null: photos take what they need; else it outlives this stage.
  DecodeStage(std::vector<std::unique_ptr<decode::Decoder>> decoders, decode::DecodeOptions options,
              int models, ResultCache* cache, decode::DecodeMemory* memory,
              std::function<void()> on_bytes_dropped, Next next);
  ~DecodeStage() { Stop(); }
  DecodeStage(const DecodeStage&) = delete;
  DecodeStage& operator=(const DecodeStage&) = delete;

  /// Never blocks. The item carries its bytes.
  void Push(ItemPtr item);
  /// Ends the waiting items that were given up, on this thread.
  void Sweep();
  /// A slot became free.
  void Wake();
  /// Joins the threads. Nothing may be waiting. Idempotent.
  void Stop();

 private:
  struct Work {
    ItemPtr item;
    std::optional<SlotRef> slot;                        // none: the item was given up, or is to be looked up
    std::optional<decode::DecodeMemory::Share> memory;  // of a big photo
    bool look_up = false;
  };
  class Feed;
  void Run(int index, decode::Decoder& decoder);
  bool Await(Work& work, int lookups);
  bool TakeSecond(Work& work, int lookups);
  bool TakeReady(Work& work, int lookups, bool second = false);
  bool TakeLookup(Work& work);
  bool TakeBig(Work& work);
  bool BigMayRun(TimePoint now) const;
  bool TakeDecode(Work& work, bool second);
  void PutAside(Work work, const decode::DecodeCost& cost);
  void GiveMemoryBack(Work& work);
  decode::DecodeCost Granted(const Work& work) const;
  void LookUp(ItemPtr item);
  decode::DecodeJob JobFor(const Work& work) const;

  const decode::DecodeOptions options_;
  const size_t models_;
  ResultCache* const cache_;
  decode::DecodeMemory* const memory_;
  const std::function<void()> on_bytes_dropped_;
  const Next next_;
  const std::vector<std::unique_ptr<decode::Decoder>> decoders_;
  std::mutex mutex_;
  std::condition_variable ready_;
  FairQueue<ItemPtr> lookups_;                    // to be looked up; empty without a cache
  FairQueue<ItemPtr> queue_;                      // to be decoded
  FairQueue<ItemPtr> big_;                        // of these, those that wait for memory
  size_t big_running_ = 0;                        // that were in it and are decoded
  std::atomic<TimePoint> plain_at_{TimePoint{}};  // when the last other one was done
  std::vector<const ModelRuntime*> full_models_;  // scratch of TakeDecode
  std::atomic<int> waiting_{0};                   // = queue_.size() + big_.size(), readable without the lock
  int idle_threads_ = 0;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace photovec::pipeline
