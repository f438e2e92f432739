// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/fair_queue.h"
#include "pipeline/item.h"
#include "pipeline/result_cache.h"

namespace photovec::pipeline {

/// Turns texts into the ids that their model's text tower takes: two threads, shared by all models, fair
/// between requests. Beside the decoders, so that no text waits behind photos; at normal priority, because
/// ten words take some microseconds. Two, because the longest text allowed takes 32 ms and should not hold up
/// all others. With a result cache each text is looked up by its ids, and ends here if it is found.
/// Thread-safe.
class TokenizeStage {
 public:
  /// Takes a text and its ids, at least one, each below the tokenizer's vocabulary_size. On a thread of this
  /// stage; must not block.
  using Next = std::function<void(ItemPtr, std::vector<int32_t>)>;
  static constexpr int kThreads = 2;

  /// \param cache null: none; else it outlives this stage and the items.
  TokenizeStage(ResultCache* cache, Next next) : cache_(cache), next_(std::move(next)) {}
  ~TokenizeStage() { Stop(); }
  TokenizeStage(const TokenizeStage&) = delete;
  TokenizeStage& operator=(const TokenizeStage&) = delete;

  /// Starts the threads; before the first Push. Idempotent.
  void Start();
  /// Never blocks. The item carries its text, and its model has a tokenizer.
  void Push(ItemPtr item);
  /// Ends the waiting items that were given up, on this thread.
  void Sweep();
  /// Joins the threads. Nothing may be waiting. Idempotent.
  void Stop();

 private:
  void Run(int index);
  void Tokenize(ItemPtr item);
  bool AnswerFromCache(Item& item, const std::vector<int32_t>& ids);

  ResultCache* const cache_;
  const Next next_;
  std::mutex mutex_;
  std::condition_variable ready_;
  FairQueue<ItemPtr> queue_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace photovec::pipeline
