// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

#include "api/exchange.h"
#include "pipeline/pipeline.h"

namespace photovec::api {

/// How the results of a request become the body of its reply.
struct ReplyPlan {
  size_t bytes_per_value = 0;  ///< to judge whether it goes to the worker pool
  std::string_view content_type = "application/json";
  std::function<std::string(const pipeline::RequestResult&)> write;
};

/// Writes exchange.result by `plan` and adds the headers Server-Timing, X-Photovec-Model and
/// X-Photovec-Fingerprint (with a text tower X-Photovec-Text-Fingerprint, with a result cache
/// X-Photovec-Cache), and observes the request's stages.
net::Task<net::Response> Reply(Exchange& exchange, const pipeline::ModelView& model, ReplyPlan plan);

/// `[{"index":1,"code":"...","message":"..."}]`, one object per failed image.
void AppendItemErrors(std::string& out, const pipeline::RequestResult& result);

/// `,"damaged":true,"rows_ok":120` behind the vector of a photo that was read although it is damaged; else
/// nothing.
void AppendDamage(std::string& out, const pipeline::ItemResult& item);
/// `[{"index":1,"rows_ok":120}]`, one object for each damaged photo, the first `most` at most; empty when
/// there is none.
std::string DamagedList(const pipeline::RequestResult& result,
                        size_t most = std::numeric_limits<size_t>::max());

}  // namespace photovec::api
