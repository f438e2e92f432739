// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include "base/memory_budget.h"

namespace photovec::pipeline {

class FetchStage;

/// One place in the fetch stage's look-ahead, and the memory that goes with it: of the whole budget, and of
/// the share of it that fetching may use. Given back when released or destroyed. Move-only.
class FetchPermit {
 public:
  FetchPermit() = default;
  FetchPermit(FetchStage* stage, int model, Reservation memory, Reservation share)
      : stage_(stage), model_(model), memory_(std::move(memory)), share_(std::move(share)) {}
  FetchPermit(FetchPermit&& other) noexcept
      : stage_(std::exchange(other.stage_, nullptr)),
        model_(other.model_),
        memory_(std::move(other.memory_)),
        share_(std::move(other.share_)) {}
  FetchPermit& operator=(FetchPermit&& other) noexcept {
    if (this != &other) {
      Release();
      stage_ = std::exchange(other.stage_, nullptr);
      model_ = other.model_;
      memory_ = std::move(other.memory_);
      share_ = std::move(other.share_);
    }
    return *this;
  }
  ~FetchPermit() { Release(); }

  bool held() const { return stage_ != nullptr; }
  uint64_t bytes() const { return memory_.bytes(); }
  void Release();
  /// The photo is here and smaller than it might have been: the rest of the memory goes back.
  void ShrinkTo(uint64_t bytes);

 private:
  FetchStage* stage_ = nullptr;
  int model_ = 0;
  Reservation memory_;
  Reservation share_;
};

}  // namespace photovec::pipeline
