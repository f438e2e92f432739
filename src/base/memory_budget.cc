// SPDX-License-Identifier: MIT
#include "base/memory_budget.h"

#include <memory>
#include <span>

namespace photovec {

Bytes WithReservation(Bytes bytes, Reservation reservation) {
  struct Paid {
    Bytes bytes;
    Reservation reservation;
  };
  auto owner = std::make_shared<const Paid>(Paid{std::move(bytes), std::move(reservation)});
  const std::span<const uint8_t> view = owner->bytes.view();
  return {std::move(owner), view};
}

}  // namespace photovec
