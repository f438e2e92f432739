// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "api/exchange.h"
#include "api/image_input.h"
#include "net/media_type.h"
#include "net/response.h"
#include "pipeline/request.h"

namespace photovec::api {

/// What a protocol handler asks of the pipeline.
struct EmbedCall {
  std::string model;  ///< empty: the first
  bool normalize = true;
  bool squash = false;
  std::vector<ImageInput> images;
};

/// How a handler's reply is measured and written.
struct ReplyPlan {
  size_t bytes_per_value = 0;  ///< to judge whether it goes to the worker pool
  std::string_view content_type = "application/json";
  std::function<std::string(const pipeline::RequestResult&)> write;
};

/// D of a model, 0 when there is no such model.
size_t EmbeddingDim(const Services& services, std::string_view model);

/// Opens a request, adds the images, waits and returns the exchange's results, or the reply that ends it.
/// \param body pays for what the images hold; may be empty.
struct EmbedOutcome {
  const pipeline::RequestResult* result = nullptr;  ///< null: `failure` is the reply
  net::Response failure;
};
net::Task<EmbedOutcome> RunImages(Exchange& exchange, EmbedCall call, net::OwnedBody body);

/// When the whole request has failed: with one image its error; with more, the first error if `any_error`,
/// else only an error of the server (429, 5xx) that all images share.
std::optional<Status> WholeFailure(const pipeline::RequestResult& result, bool any_error);

/// Writes the reply by `plan` and adds the headers Server-Timing, X-Photovec-Model and
/// X-Photovec-Fingerprint (with a result cache also X-Photovec-Cache), and observes the request's stages.
net::Task<net::Response> Reply(Exchange& exchange, const pipeline::RequestResult& result, ReplyPlan plan);

/// `[{"index":1,"code":"...","message":"..."}]`, one object per failed image.
void AppendItemErrors(std::string& out, const pipeline::RequestResult& result);

}  // namespace photovec::api
