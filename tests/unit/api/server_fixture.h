// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "api/http_api.h"
#include "metrics/names.h"
#include "metrics/registry.h"
#include "net/server.h"
#include "testing/fake_pipeline.h"
#include "testing/test_client.h"

namespace photovec::api {

/// A server over a FakePipeline on a real loopback socket.
class ServerTest : public testing::Test {
 protected:
  void Launch(net::ServerOptions options = {}, uint64_t budget_bytes = 256ULL << 20,
              HttpApiOptions api = {}) {
    pipeline_ = std::make_unique<test::FakePipeline>(budget_bytes);
    registry_ = metrics::Registry::Create();
    options.port = 0;
    options.io_threads = 2;
    options.worker_threads = 2;
    api_ = std::make_unique<HttpApi>(*pipeline_, *registry_, api);
    server_ = std::make_unique<net::Server>(*api_, pipeline_->budget(), *registry_, options);
    const Status started = server_->Start();
    ASSERT_TRUE(started.ok()) << started.ToString();
    api_->SetReady(true);
  }

  void TearDown() override {
    if (pipeline_) pipeline_->ReleaseHeld();
    server_.reset();
  }

  uint16_t port() const { return server_->port(); }
  test::TestReply Ask(std::string_view request) { return test::TestClient(port()).Ask(request); }
  double Requests(const std::string& route, int status) {
    return registry_
        ->GetCounter(metrics::name::kRequestsTotal, "",
                     {{metrics::label::kRoute, route}, {metrics::label::kStatus, std::to_string(status)}})
        ->Value();
  }
  /// What a reply took is given back when it has been sent, a moment after its client has it: waits up to 10
  /// s.
  bool BudgetIsGivenBack() {
    for (int i = 0; i < 10'000 && pipeline_->budget().used() > 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return pipeline_->budget().used() == 0;
  }
  /// Waits until no connection is left; false after 10 s.
  bool WaitForNoConnections() {
    for (int i = 0; i < 1000 && server_->connections() > 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return server_->connections() == 0;
  }

  std::unique_ptr<test::FakePipeline> pipeline_;
  std::unique_ptr<metrics::Registry> registry_;
  std::unique_ptr<HttpApi> api_;
  std::unique_ptr<net::Server> server_;
};

}  // namespace photovec::api
