// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/status.h"
#include "batch/batcher.h"
#include "encode/encoder.h"

namespace photovec::batch {

/// What happened to one batch, for metrics.
struct BatchEvent {
  int stream = 0;
  int size = 0;
  ItemKind kind = ItemKind::kImage;
  int64_t busy_us = 0;  ///< from Submit to Wait's return
  bool ok = false;
};

struct StreamsHooks {
  std::function<void(const BatchEvent&)> on_batch;  ///< on the stream's thread; may be empty
  std::function<void(const Status&)>
      on_device_failure;  ///< the process must end after answering; may be empty
  std::function<void(int stream, const Status&)>
      on_stream_lost;  ///< a stream hung, its thread ends, the others go on; may be empty
};

/// One thread per encoder stream: take a batch of images or of texts, submit, keep up to depth() in flight,
/// hand each row to its client, give the slots back. The encoder's last text_stream_count() streams take
/// texts alone. A batch that fails fails each of its items, nothing else; a row with NaN or Inf is
/// kNanEmbedding for that item alone. A stream that is not usable() any more is given up while another one
/// that takes images is. Threads run at kWorkerNice.
class Streams {
 public:
  /// Encoder and batcher are borrowed and must outlive this. Starts the threads.
  Streams(encode::Encoder& encoder, Batcher& batcher, StreamsHooks hooks);
  /// Closes the batcher, lets the streams finish what is in it, joins.
  ~Streams();
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  /// Total busy time of a stream so far, microseconds; thread-safe.
  int64_t BusyMicros(int stream) const { return busy_us_[static_cast<size_t>(stream)].load(); }
  int count() const { return static_cast<int>(threads_.size()); }

 private:
  void Run(int index);

  encode::Encoder& encoder_;
  Batcher& batcher_;
  StreamsHooks hooks_;
  std::vector<std::atomic<int64_t>> busy_us_;
  std::vector<std::thread> threads_;
};

}  // namespace photovec::batch
