// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace photovec::decode {

/// What a worker was started with.
struct PolicyOptions {
  uint64_t address_space_bytes = 0;
  uint64_t cpu_seconds = 0;  ///< over the worker's whole life; the server watches single images
  int parent_pid = 0;
  bool name_violations =
      false;  ///< tests: print the name of a forbidden system call instead of dying silently
};

/// Which walls stand now.
struct PolicyResult {
  uint32_t layers = 0;
  std::string why;  ///< for each missing layer the reason; empty when all stand
};

/// Locks this process in, for good: it keeps the descriptors and mappings that it has, can use memory, the
/// clock and its one socket, and nothing else. Call when everything is loaded and warm. Single-threaded
/// processes only.
///
/// In builds with sanitizers the list of allowed system calls is turned into one of forbidden ones (sockets,
/// programs, writing files, ptrace), because the sanitizers' runtime needs many itself, and the address space
/// is unlimited, because their shadow takes terabytes of it. Layer::kSeccomp is then reported as missing.
/// Errors: kUnavailable when the server is already gone.
Result<PolicyResult> EnterSandbox(const PolicyOptions& options);

}  // namespace photovec::decode
