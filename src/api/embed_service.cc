// SPDX-License-Identifier: MIT
#include "api/embed_service.h"

#include <string>
#include <utility>

namespace photovec::api {

Result<pipeline::ModelView, ApiError> EmbedService::FindModel(std::string_view name) const {
  if (const auto model = pipeline_.FindModel(name)) return *model;
  std::string message = "there is no model \"" + std::string(name.substr(0, 128)) + "\"; this server has:";
  for (const pipeline::ModelView& model : pipeline_.models()) message += " " + std::string(model.name);
  return ApiError{Status(Code::kNotFound, std::move(message)), "model"};
}

Result<std::unique_ptr<pipeline::Request>> EmbedService::Open(const pipeline::ModelView& model,
                                                              const EmbedOptions& options,
                                                              pipeline::RequestDone done) const {
  pipeline::RequestOptions request;
  request.model = model.index;
  request.normalize = options.normalize;
  request.preprocessing = options.preprocessing;
  request.deadline = options.deadline.infinite() ? Deadline::After(deadline_) : options.deadline;
  request.lane = options.lane;
  request.client = options.client;
  request.ticket = options.ticket;
  return pipeline_.Open(request, std::move(done));
}

void AddInput(pipeline::Request& request, Input input, Reservation& budget) {
  if (!input.status.ok()) {
    request.AddFailed(std::move(input.status));
    return;
  }
  if (Bytes* bytes = std::get_if<Bytes>(&input.source)) {
    Reservation share = budget.Split(bytes->size());
    input.source = WithReservation(std::move(*bytes), std::move(share));
  }
  request.Add(std::move(input.source));
}

std::optional<Status> WholeFailure(const pipeline::RequestResult& result, bool any_error) {
  if (result.items.empty()) return std::nullopt;
  const Status& first = result.items.front().status;
  for (const pipeline::ItemResult& item : result.items) {
    if (item.status.ok()) return std::nullopt;
    if (!any_error && item.status.code() != first.code()) return std::nullopt;
  }
  const int status = HttpStatus(first.code());
  const bool servers_fault = status == 429 || status >= 500;
  if (result.items.size() == 1 || any_error || servers_fault) return first;
  return std::nullopt;
}

}  // namespace photovec::api
