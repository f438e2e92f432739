// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

/// What one fuzz_<codec>.cc defines and mutation_driver.cc (or libFuzzer) drives.
namespace photovec::fuzz {

/// Decodes one input in every way that the server can. Aborts when an invariant breaks:
/// a decode that succeeds has written every pixel, and the same bytes give the same result twice.
void FuzzOne(const uint8_t* data, size_t size);

/// Valid files of this codec, the starting points of mutation.
std::vector<std::vector<uint8_t>> Seeds();

/// Repairs checksums after a mutation, so that it reaches deeper than the first check. May do nothing.
void Repair(std::vector<uint8_t>* file);

/// The body of every FuzzOne.
void DecodeEveryWay(const uint8_t* data, size_t size);

}  // namespace photovec::fuzz
