// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/fair_queue.h"
#include "base/stage_times.h"
#include "base/status.h"
#include "decode/decoder.h"

namespace photovec::pipeline {

/// Where an item's encoded photo comes from.
struct Reference {
  std::string text;  ///< as fetch::FetchRequest::reference
};
/// Words to embed by the model's text tower.
struct Text {
  std::string text;  ///< UTF-8
};
/// What an item is made of: a photo's bytes, a photo by name, or words.
using Source = std::variant<Bytes, Reference, Text>;

/// Where an image came from and who worked on it: for logs and traces, nothing decides by it.
struct ItemTrail {
  bool by_reference = false;
  uint64_t bytes = 0;                                ///< encoded size; 0: the photo never was here
  int decoder = -1;                                  ///< which decode worker; -1: none took it
  decode::JpegBy jpeg_by = decode::JpegBy::kNobody;  ///< who made the pixels of a JPEG
  int stream = -1;                                   ///< which encoder stream; -1: none took it
  int64_t batch = -1;                                ///< number of the batch on that stream
  int batch_size = 0;
  bool looked_up = false;  ///< the result cache was asked
  bool cached = false;     ///< and had its vector: nobody decoded or encoded it
};

/// The outcome of one image.
struct ItemResult {
  Status status;                 ///< OK: `embedding` holds the vector
  std::vector<float> embedding;  ///< [D] f32; L2-normalised when the request asked for it
  StageTimes times;
  ItemTrail trail = {};
  int tokens = 0;  ///< of a text, padding not counted; 0 for an image
  /// Of a photo that was read although it is damaged (DamagedMode::kTolerant): how many of its rows are
  /// sound. -1: it is whole, or there is no vector.
  int rows_ok = -1;
  bool damaged() const { return rows_ok >= 0; }
};

/// How photos become the model's pixels.
enum class Preprocessing : uint8_t {
  kModel,            ///< as the model's own preprocessor config says
  kReplacedService,  ///< as the service that photovec replaces did: squashed to a square, decoded exactly
};

class Ticket;  // admission.h

/// How the items of a request are to be treated.
struct RequestOptions {
  int model = 0;          ///< ModelView::index
  bool normalize = true;  ///< L2-normalise
  Preprocessing preprocessing = Preprocessing::kModel;
  Deadline deadline;
  /// The server asks itself whether it works: not counted in metrics, and never answered from the cache.
  bool self_test = false;
  Lane lane = Lane::kInteractive;  ///< bulk: it asks to be
  uint64_t client = 0;             ///< whose it is: clients take turns
  /// From Admission::Ask, for this model. Null: what is never refused, and says nothing of its size.
  std::shared_ptr<Ticket> ticket = {};
};

/// Handed to a request's owner exactly once, when every item has its result.
struct RequestResult {
  std::vector<ItemResult> items;  ///< in the order of Add
  TimePoint started;              ///< Open()
  TimePoint finished;             ///< the last item was collected
};

using RequestDone = std::function<void(RequestResult)>;

/// A request in flight, as its owner holds it: add images as they arrive (uploads stream in part by part),
/// then Finish(). One thread adds; Cancel() may come from any thread. Destroying it without Finish() counts
/// as Cancel() and Finish().
class Request {
 public:
  virtual ~Request() = default;

  /// The item enters the pipeline as slots free. Never blocks. One beyond max_items_per_request ends as
  /// kInvalidRequest, and so does a text for a model without a text tower. Whoever reserved memory for the
  /// bytes lets their owner hold the reservation: the pipeline drops bytes as soon as they are decoded.
  virtual void Add(Source source) = 0;
  /// An item that failed before it had bytes (a malformed reference, an oversized part): keeps indices in
  /// step.
  virtual void AddFailed(Status status) = 0;
  /// No more items. The done callback runs when all results are in (at once, on this thread, if they are).
  virtual void Finish() = 0;
  /// Nobody wants the answer: items not yet encoded end as kCancelled; `done` is still called.
  virtual void Cancel() = 0;
  virtual size_t size() const = 0;
};

}  // namespace photovec::pipeline
