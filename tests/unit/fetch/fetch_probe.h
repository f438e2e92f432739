// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "fetch/fetcher.h"

namespace photovec::fetch {

/// Starts a fetch and holds its outcome; fails the test when the callback does not come, or comes twice.
class Probe {
 public:
  Probe(Fetcher& fetcher, FetchRequest request) : state_(std::make_shared<State>()) {
    fetcher.Fetch(std::move(request), [state = state_](Result<Bytes> result) {
      EXPECT_EQ(state->calls.fetch_add(1), 0) << "the callback came twice";
      if (state->calls.load() == 1) state->promise.set_value(std::move(result));
    });
  }
  Probe(Fetcher& fetcher, const std::string& reference)
      : Probe(fetcher, FetchRequest{.reference = reference}) {}

  /// Waits for the outcome; call once. The limit only turns a hang into a failure.
  Result<Bytes> Get() {
    if (state_->future.wait_for(std::chrono::seconds(60)) != std::future_status::ready) {
      ADD_FAILURE() << "no callback within 60 s";
      return Status(Code::kInternal, "no callback");
    }
    return state_->future.get();
  }
  bool Done() const { return state_->calls.load() > 0; }

 private:
  struct State {
    std::atomic<int> calls{0};
    std::promise<Result<Bytes>> promise;
    std::future<Result<Bytes>> future = promise.get_future();
  };
  std::shared_ptr<State> state_;
};

/// "ok:<bytes>" or "code: message".
inline std::string Outcome(const Result<Bytes>& result) {
  if (!result.ok()) return result.status().ToString();
  const auto view = result->view();
  return "ok:" + std::string(reinterpret_cast<const char*>(view.data()), view.size());
}

inline std::string FetchNow(Fetcher& fetcher, const std::string& reference) {
  return Outcome(Probe(fetcher, reference).Get());
}

}  // namespace photovec::fetch
