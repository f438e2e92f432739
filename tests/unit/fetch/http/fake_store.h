// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fetch/source.h"

namespace photovec::fetch {

/// A store at an endpoint that the operator chose, and what tests want to see and to decide of it.
struct FakeStoreState {
  std::string base;  ///< before every reference
  Trust trust = Trust::kOperator;
  /// Replaces the answer of Sign(); it gets the number of the credential, which renewing counts up.
  std::function<void(int credential, std::function<void(SourceObject::Headers)> done)> sign{};
  std::string wanted_header{};  ///< its value must be the body's first bytes, else kChecksumMismatch
  int credential = 1;           ///< of the fetch thread
};

class FakeObject final : public SourceObject {
 public:
  FakeObject(FakeStoreState& store, const std::string& reference)
      : store_(store), url_(store.base + reference) {}
  const std::string& url() const override { return url_; }
  const std::string& group() const override { return group_; }
  void Sign(std::function<void(Headers)> done) override {
    if (store_.sign) return store_.sign(store_.credential, std::move(done));
    done(std::vector<std::string>{"Authorization: secret-" + std::to_string(store_.credential)});
  }
  Refusal OnRefused(const Reply& reply) override {
    Refusal refusal = RefusalByStatus(reply, "the store");
    refusal.renew_credentials = reply.status() == 401;
    return refusal;
  }
  void RenewCredentials() override { ++store_.credential; }
  std::string Version(const Reply& reply) const override { return reply.Header("ETag").value_or(""); }
  Status Verify(const Reply& reply, std::span<const uint8_t> body) const override {
    if (store_.wanted_header.empty()) return Status::Ok();
    const std::string text(reinterpret_cast<const char*>(body.data()), body.size());
    if (text.starts_with(reply.Header(store_.wanted_header).value_or(""))) return Status::Ok();
    return {Code::kChecksumMismatch, "the body is not what the store promised"};
  }

 private:
  FakeStoreState& store_;
  const std::string url_;
  const std::string group_ = "store";
};

class FakeStore final : public Source {
 public:
  /// \param state outlives the store.
  explicit FakeStore(FakeStoreState& state) : state_(state) {}
  std::string_view name() const override { return "store"; }
  Trust trust() const override { return state_.trust; }
  Result<std::unique_ptr<SourceObject>> Open(std::string_view reference) const override {
    return std::unique_ptr<SourceObject>(std::make_unique<FakeObject>(state_, std::string(reference)));
  }

 private:
  FakeStoreState& state_;
};

}  // namespace photovec::fetch
