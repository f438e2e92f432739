// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "api/errors.h"
#include "api/input.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "pipeline/pipeline.h"

namespace photovec::api {

/// A request for vectors, whichever protocol it came by. The model is looked up once, by
/// EmbedService::FindModel, and carried from there on.
struct EmbedOptions {
  bool normalize = true;
  pipeline::Preprocessing preprocessing = pipeline::Preprocessing::kModel;
  Deadline deadline = {};                              ///< infinite: the service's
  Lane lane = Lane::kInteractive;                      ///< bulk: it asks to be
  uint64_t client = 0;                                 ///< ClientKey() of whoever asks
  std::shared_ptr<pipeline::Ticket> ticket = nullptr;  ///< null: admitted in any case
};

/// What every protocol does between its parser and its writer; knows no transport. Thread-safe.
class EmbedService {
 public:
  /// \param pipeline borrowed; must outlive the service.
  /// \param deadline an image not encoded this long after its request was opened ends as deadline_exceeded.
  /// \param usual_items that a request may have on other routes than /v1/embeddings; 0: as many as there.
  EmbedService(pipeline::Pipeline& pipeline, std::chrono::milliseconds deadline, int usual_items = 0)
      : pipeline_(pipeline), deadline_(deadline), usual_items_(usual_items) {}

  /// The model that a client named; an empty name means the first.
  /// Errors: kNotFound, listing those there are; `param` is "model".
  Result<pipeline::ModelView, ApiError> FindModel(std::string_view name) const;
  /// How many images and texts a request may have that comes by this protocol.
  int max_items(Dialect dialect) const {
    const int most = pipeline_.options().max_items_per_request;
    return usual_items_ > 0 && dialect != Dialect::kOpenAi ? std::min(most, usual_items_) : most;
  }
  size_t max_image_bytes() const {
    return static_cast<size_t>(pipeline_.options().decode.limits.max_file_bytes);
  }
  bool has_cache() const { return pipeline_.options().cache_bytes > 0; }

  /// Opens a request. Errors and `done` as Pipeline::Open.
  Result<std::unique_ptr<pipeline::Request>> Open(const pipeline::ModelView& model,
                                                  const EmbedOptions& options,
                                                  pipeline::RequestDone done) const;

 private:
  pipeline::Pipeline& pipeline_;
  const std::chrono::milliseconds deadline_;
  const int usual_items_;
};

/// Adds an image or a text. Bytes that were decoded from a body (base64) are paid for by that body's share,
/// image by image, so that each part of it is given back as soon as its image has been decoded.
void AddInput(pipeline::Request& request, Input input, Reservation& budget);

/// When the whole request has failed: with one item its error; with more, the first error if `any_error`,
/// else only an error of the server (429, 5xx) that all items share.
std::optional<Status> WholeFailure(const pipeline::RequestResult& result, bool any_error);

/// D of a model.
inline size_t EmbeddingDim(const pipeline::ModelView& model) {
  return model.info == nullptr ? 0 : static_cast<size_t>(model.info->embedding_dim);
}

}  // namespace photovec::api
