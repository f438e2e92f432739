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
#include "decode/decoder.h"
#include "pipeline/item.h"

namespace photovec::pipeline {

/// Decodes and preprocesses: N threads at kWorkerNice, each with its own decoder, shared by all models. Takes
/// an image only when a slot of its model is free, fair between requests: a model whose streams are busy
/// holds up its own images and nobody else's. Waiting bytes are bounded by the memory budget. Thread-safe.
class DecodeStage {
 public:
  /// \param decoders one per thread. \param on_bytes_dropped called after a photo's bytes were let go, with
  /// no lock held.
  DecodeStage(std::vector<std::unique_ptr<decode::Decoder>> decoders, decode::DecodeOptions options,
              std::function<void()> on_bytes_dropped);
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
    std::optional<SlotRef> slot;  // none: the item was given up
  };
  void Run(int index, decode::Decoder& decoder);
  bool Next(Work& work);
  bool TakeReady(Work& work);
  void Decode(Work work, int index, decode::Decoder& decoder);

  const decode::DecodeOptions options_;
  const std::function<void()> on_bytes_dropped_;
  const std::vector<std::unique_ptr<decode::Decoder>> decoders_;
  std::mutex mutex_;
  std::condition_variable ready_;
  FairQueue<ItemPtr> queue_;
  std::vector<const ModelRuntime*> full_models_;  // scratch of TakeReady
  std::atomic<int> waiting_{0};                   // = queue_.size(), readable without the lock
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace photovec::pipeline
