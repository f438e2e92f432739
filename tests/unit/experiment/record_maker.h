// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "request_log/record.h"

namespace photovec::experiment {

/// An image whose borders are these, relative to its request.
inline request_log::ItemRecord MakeItem(std::array<int64_t, kBorderCount> at_us, bool by_reference = true) {
  request_log::ItemRecord item;
  item.at_us = at_us;
  item.by_reference = by_reference;
  return item;
}

/// A request with its own stages, without images.
inline request_log::Record MakeRequest(uint64_t id, int64_t started_us, int64_t total_us) {
  request_log::Record record;
  record.id = id;
  record.model = "clip";
  record.status = 200;
  record.started_us = started_us;
  record.total_us = total_us;
  record.receive_us = 0;
  record.parse_us = 0;
  record.serialise_us = 0;
  return record;
}

}  // namespace photovec::experiment
