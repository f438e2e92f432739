// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/memory_budget.h"
#include "base/result.h"
#include "batch/streams.h"  // brings encode::Encoder, the contract that batch/ stands on
#include "decode/decoder.h"
#include "fetch/fetcher.h"
#include "metrics/registry.h"
#include "pipeline/admission.h"
#include "pipeline/request.h"
#include "preprocess/spec.h"
#include "tokenize/tokenizer.h"

namespace photovec::pipeline {

/// How the cosine of an image and a text becomes a probability.
struct ScoreRule {
  float scale = 1;       ///< the cosine times this,
  float bias = 0;        ///< plus this,
  bool sigmoid = false;  ///< through a sigmoid for each pair alone, or else a softmax over the texts
};

/// What a ModelRuntime is made of.
/// Whether the first numbers of a vector are a vector, too (Matryoshka training).
struct Shortening {
  bool any = false;        ///< as many as one wants
  std::vector<int> sizes;  ///< only so many; empty: none
  bool Allows(int64_t count) const {
    return any || std::find(sizes.begin(), sizes.end(), count) != sizes.end();
  }
};

struct ModelSetup {
  std::string name;                          ///< as clients name it
  std::unique_ptr<encode::Encoder> encoder;  ///< warmed up
  preprocess::Spec spec;
  /// The text tower's, with its rule; null: the model takes images alone.
  std::unique_ptr<const tokenize::Tokenizer> tokenizer = {};
  /// Why it does, in words for whoever sends a text; empty: it has no text tower.
  std::string no_texts = {};
  ScoreRule score = {};
  Shortening shortening = {};
  std::string fingerprint;            ///< of images: short id of weights + preprocessing + scaling mode
  std::string text_fingerprint = {};  ///< of texts: of the tower's weights + the tokenizer's rule
  double images_per_second = 0;       ///< what the encoder did at warm-up; 0: not known
  double texts_per_second = 0;
};

struct PipelineOptions {
  int decoders = 0;         ///< decode threads; 0: one per CPU
  int slots_per_model = 0;  ///< 0: (streams x depth + 1) x max_batch + decoders
  decode::DecodeOptions decode;
  uint64_t memory_budget_bytes = 0;  ///< 0: a quarter of the machine's memory, at most 2 GiB
  int64_t decode_memory_bytes = 0;   ///< what all decoders may take together; 0: what photos need
  uint64_t cache_bytes = 0;  ///< what the result cache may hold, beside the memory budget; 0: there is none
  int64_t batch_wait_us = 0;
  int max_items_per_request = 1000;
  AdmissionOptions admission;
  /// Called once, on a stream thread, when a device failed; device_failed() is already true. May be empty.
  std::function<void(const Status&)> on_device_failure;
};

/// A model as clients see it. Valid as long as the pipeline.
struct ModelView {
  int index = 0;  ///< in Pipeline::models()
  std::string_view name;
  std::string_view fingerprint;
  const encode::EncoderInfo* info = nullptr;
  const tokenize::TokenizerInfo* text = nullptr;  ///< null: the model takes images alone
  ScoreRule score = {};
  std::string_view text_fingerprint = {};  ///< empty without `text`
  std::string_view no_texts = {};          ///< as ModelSetup::no_texts
  Shortening shortening = {};
};

/// The one place that knows the order of the stages: admit, fetch, decode + preprocess (of a text: tokenize),
/// batch, encode, collect. Thread-safe. Owns decode threads, streams, slot pools and all queues.
class Pipeline {
 public:
  using DecoderFactory = std::function<std::unique_ptr<decode::Decoder>()>;

  /// \param models   one or more, names distinct.
  /// \param fetcher  shared by all models; must outlive the pipeline.
  /// \param registry where stage times, queue depths and batch sizes go; must outlive the pipeline.
  /// Errors: kInvalidRequest (no model, same name twice), kUnavailable (no memory for the slots).
  static Result<std::unique_ptr<Pipeline>> Create(std::vector<ModelSetup> models, fetch::Fetcher& fetcher,
                                                  DecoderFactory make_decoder, metrics::Registry& registry,
                                                  PipelineOptions options);
  /// Cancels what is in flight, waits until it is answered, joins all threads. A Request that its owner
  /// still holds stays safe to use: its images fail as kUnavailable, and `done` is called as ever.
  virtual ~Pipeline() = default;

  /// Opens a request; `done` is called exactly once after Finish(), on a thread of the pipeline or of the
  /// fetcher (or inside Finish), and must not block; it may open further requests, but not call Drain() or
  /// destroy the pipeline.
  /// Errors: kInternal for a model that is not there; kUnavailable when draining; kDeviceFailed after a device
  /// failed.
  virtual Result<std::unique_ptr<Request>> Open(RequestOptions options, RequestDone done) = 0;

  /// The memory that waiting bytes count against; http/ reserves body bytes here before it reads them.
  virtual MemoryBudget& budget() = 0;
  /// Who may come, and in which order they are served.
  virtual Admission& admission() = 0;
  virtual std::vector<ModelView> models() const = 0;
  virtual std::optional<ModelView> FindModel(std::string_view name) const = 0;  ///< empty name: the first
  virtual const PipelineOptions& options() const = 0;

  /// Refuses new requests from now on and blocks until those in flight are answered or `deadline` passes
  /// (those left are cancelled, and their answers waited for; a request that was never finished is cancelled
  /// but not waited for, because only its owner can finish it). Not from a `done` callback.
  virtual void Drain(Deadline deadline) = 0;
  /// When a batch of images of models()[model] was computed last; the epoch before the first.
  virtual TimePoint LastEncoded(int model) const = 0;
  /// True once a device failed: the server must answer what is in flight and exit non-zero.
  virtual bool device_failed() const = 0;
};

}  // namespace photovec::pipeline
