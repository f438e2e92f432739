// SPDX-License-Identifier: MIT
#include "fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  photovec::fuzz::FuzzOne(data, size);
  return 0;
}
