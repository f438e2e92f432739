// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/deadline.h"
#include "base/stage_times.h"
#include "base/status.h"

namespace photovec::pipeline {

/// Where an item's encoded photo comes from.
struct Reference {
  std::string text;  ///< as fetch::FetchRequest::reference
};
using Source = std::variant<Bytes, Reference>;

/// Where an image came from and who worked on it: for logs and traces, nothing decides by it.
struct ItemTrail {
  bool by_reference = false;
  uint64_t bytes = 0;  ///< encoded size; 0: the photo never was here
  int decoder = -1;    ///< which decode worker; -1: none took it
  int stream = -1;     ///< which encoder stream; -1: none took it
  int64_t batch = -1;  ///< number of the batch on that stream
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
};

/// How the items of a request are to be treated.
struct RequestOptions {
  std::string model;      ///< name of a ModelRuntime; empty: the only or first one
  bool normalize = true;  ///< L2-normalise
  bool squash = false;    ///< the replaced service's preprocessing (implies exact decoding)
  Deadline deadline;
};

/// Handed to a request's owner exactly once, when every item has its result.
struct RequestResult {
  std::vector<ItemResult> items;  ///< in the order of Add
  TimePoint started;              ///< Open()
  TimePoint finished;             ///< the last item was collected
};

using RequestDone = std::function<void(RequestResult)>;

class RequestState;

/// A request in flight. Add items as they arrive (uploads stream in part by part), then Finish(). Copyable
/// handle. One thread adds; Cancel() may come from any thread. When the last handle is dropped without
/// Finish(), that counts as Cancel() and Finish().
class Request {
 public:
  Request() = default;
  explicit Request(std::shared_ptr<RequestState> state) : state_(std::move(state)) {}

  /// The image enters the pipeline as slots free. Never blocks. An image beyond max_items_per_request ends as
  /// kInvalidRequest. Whoever reserved memory for the bytes lets their owner hold the reservation: the
  /// pipeline drops bytes as soon as they are decoded.
  void Add(Source source);
  /// An item that failed before it had bytes (a malformed reference, an oversized part): keeps indices in
  /// step.
  void AddFailed(Status status);
  /// No more items. The done callback runs when all results are in (at once, on this thread, if they are).
  void Finish();
  /// Nobody wants the answer: items not yet encoded end as kCancelled; `done` is still called.
  void Cancel();
  size_t size() const;
  explicit operator bool() const { return state_ != nullptr; }

 private:
  std::shared_ptr<RequestState> state_;
};

}  // namespace photovec::pipeline
