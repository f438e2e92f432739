// SPDX-License-Identifier: MIT
#pragma once

#include "http/exchange.h"
#include "http/response.h"

/// One function per endpoint; docs/api.md describes each. They never throw but std::bad_alloc, and write
/// their errors in exchange.dialect.
namespace photovec::http {

// native.cc
Task<Response> HandleEmbed(Exchange& exchange);
// openai.cc
Task<Response> HandleEmbeddings(Exchange& exchange);
Task<Response> HandleModels(Exchange& exchange);
Task<Response> HandleModel(Exchange& exchange);
// original_api.cc
Task<Response> HandleClipEmbedding(Exchange& exchange);
Task<Response> HandleHealthInfo(Exchange& exchange);
// operations.cc
Task<Response> HandleHealthz(Exchange& exchange);
Task<Response> HandleReadyz(Exchange& exchange);
Task<Response> HandleMetrics(Exchange& exchange);
Task<Response> HandleStats(Exchange& exchange);
Task<Response> HandleDashboard(Exchange& exchange);

/// Why the server does not take work now; empty when it does.
std::string_view NotReadyReason(const Services& services);

}  // namespace photovec::http
