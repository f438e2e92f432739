// SPDX-License-Identifier: MIT
#pragma once

#include "api/exchange.h"
#include "net/response.h"

/// One function per endpoint; docs/api.md describes each. They never throw but std::bad_alloc, and write
/// their errors in exchange.dialect.
namespace photovec::api {

// native.cc
net::Task<net::Response> HandleEmbed(Exchange& exchange);
// score.cc
net::Task<net::Response> HandleScore(Exchange& exchange);
// openai.cc
net::Task<net::Response> HandleEmbeddings(Exchange& exchange);
net::Task<net::Response> HandleModels(Exchange& exchange);
net::Task<net::Response> HandleModel(Exchange& exchange);
// original_api.cc
net::Task<net::Response> HandleClipEmbedding(Exchange& exchange);
net::Task<net::Response> HandleHealthInfo(Exchange& exchange);
// operations.cc
net::Task<net::Response> HandleHealthz(Exchange& exchange);
net::Task<net::Response> HandleReadyz(Exchange& exchange);
net::Task<net::Response> HandleMetrics(Exchange& exchange);
net::Task<net::Response> HandleStats(Exchange& exchange);
net::Task<net::Response> HandleDashboard(Exchange& exchange);

/// The page at "/", which CMake makes of dashboard.html.
std::string_view DashboardHtml();

/// Why the server does not take work now; empty when it does.
std::string_view NotReadyReason(const Exchange& exchange);

}  // namespace photovec::api
