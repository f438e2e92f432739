// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "decode/sandbox/shared_region.h"

namespace photovec::decode {

/// The command line of photovec-decoder: plain numbers in a fixed order, written and read here only.
struct WorkerArguments {
  RegionLayout layout;
  uint64_t address_space_bytes = 0;
  uint64_t cpu_seconds = 0;
  int parent_pid = 0;
  int nice = 0;
  bool name_violations = false;

  std::vector<std::string> Format() const;
  /// nullopt when they are not what Format() writes.
  static std::optional<WorkerArguments> Parse(std::span<char* const> arguments);
};

}  // namespace photovec::decode
