// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/status.h"

namespace photovec {

namespace result_detail {

/// What a CHECK says of the error that stood where a value was wanted.
inline std::string Describe(const Status& status) { return status.ToString(); }
template <typename E>
std::string Describe(const E& error) {
  return error.status.ToString();
}
inline bool IsOk(const Status& status) { return status.ok(); }
template <typename E>
bool IsOk(const E& error) {
  return error.status.ok();
}

}  // namespace result_detail

/// A value, or the error that says why there is none: a Status, or a struct with a Status named `status` and
/// more beside it (api::ApiError). Never holds an OK status. value(), * and -> require ok(), so test first:
/// in every preset but release (NDEBUG) the process stops and names the error where a value is read that is
/// not there.
template <typename T, typename E = Status>
class [[nodiscard]] Result {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): `return value;` is the point
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): `return error;` too
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {
    PHOTOVEC_CHECK(!result_detail::IsOk(std::get<1>(state_)), "a Result was made of an error that is OK");
  }

  bool ok() const { return state_.index() == 0; }
  /// Requires !ok().
  const E& error() const {
    PHOTOVEC_CHECK(!ok(), "the error of a Result that has a value");
    return *std::get_if<1>(&state_);
  }
  Status status() const {
    if (ok()) return Status::Ok();
    if constexpr (std::is_same_v<E, Status>) {
      return std::get<1>(state_);
    } else {
      return std::get<1>(state_).status;
    }
  }

  T& value() & {
    RequireOk();
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    RequireOk();
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    RequireOk();
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  void RequireOk() const {
    PHOTOVEC_CHECK(ok(),
                   "the value of a Result that failed: " + result_detail::Describe(std::get<1>(state_)));
  }

  std::variant<T, E> state_;
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

/// ASSIGN_OR_RETURN(auto x, Compute()): x becomes the value, or the calling function returns the error's
/// status.
#define ASSIGN_OR_RETURN(lhs, expr) PHOTOVEC_ASSIGN_OR_RETURN(PHOTOVEC_CONCAT(result_, __LINE__), lhs, expr)
#define PHOTOVEC_ASSIGN_OR_RETURN(tmp, lhs, expr) \
  auto tmp = (expr);                              \
  if (!tmp.ok()) return tmp.status();             \
  lhs = std::move(tmp).value()
