// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

/// What one fuzz_<target>.cc defines and mutation_driver.cc (or libFuzzer) drives.
namespace photovec::fuzz {

/// Does with one input whatever the server can do with it. Aborts when an invariant breaks; for photos: a
/// decode that succeeds has written every pixel, and the same bytes give the same result twice.
void FuzzOne(const uint8_t* data, size_t size);

/// Valid inputs of this target, the starting points of mutation.
std::vector<std::vector<uint8_t>> Seeds();

/// Repairs checksums after a mutation, so that it reaches deeper than the first check. May do nothing.
void Repair(std::vector<uint8_t>* file);

/// The body of every codec's FuzzOne.
void DecodeEveryWay(const uint8_t* data, size_t size);

/// Ends the process with the name of the invariant unless `fine`.
inline void Check(bool fine, const char* invariant) {
  if (fine) return;
  std::fprintf(stderr, "broken invariant: %s\n", invariant);
  std::abort();
}

}  // namespace photovec::fuzz
