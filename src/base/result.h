// SPDX-License-Identifier: MIT
#pragma once

#include <cassert>
#include <utility>
#include <variant>

#include "base/status.h"

namespace photovec {

/// A value or the Status that says why there is none. Never holds an OK status.
/// value(), * and -> require ok(); checked by assert only, so test first.
template <typename T>
class [[nodiscard]] Result {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): `return value;` is the point
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): `return status;` too
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {
    assert(!std::get<1>(state_).ok());
  }

  bool ok() const { return state_.index() == 0; }
  Status status() const { return ok() ? Status::Ok() : std::get<1>(state_); }

  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace photovec

#define PHOTOVEC_CONCAT_INNER(a, b) a##b
#define PHOTOVEC_CONCAT(a, b) PHOTOVEC_CONCAT_INNER(a, b)

/// Returns from the calling function when the Status expression is not OK.
#define RETURN_IF_ERROR(expr)                                                             \
  do {                                                                                    \
    if (::photovec::Status return_if_error_status = (expr); !return_if_error_status.ok()) \
      return return_if_error_status;                                                      \
  } while (false)

/// ASSIGN_OR_RETURN(auto x, Compute()): x becomes the value, or the calling function returns the error.
#define ASSIGN_OR_RETURN(lhs, expr) PHOTOVEC_ASSIGN_OR_RETURN(PHOTOVEC_CONCAT(result_, __LINE__), lhs, expr)
#define PHOTOVEC_ASSIGN_OR_RETURN(tmp, lhs, expr) \
  auto tmp = (expr);                              \
  if (!tmp.ok()) return tmp.status();             \
  lhs = std::move(tmp).value()
