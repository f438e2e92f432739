// SPDX-License-Identifier: MIT
// Lets libFuzzer drive FuzzOne: `fuzz_<target>_libfuzzer seeds DIR` writes the seeds there and ends;
// everything else is libFuzzer's own command line. scripts/fuzz does both.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include "fuzz/fuzz_target.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

int WriteSeeds(const std::string& folder) {
  size_t number = 0;
  for (const std::vector<uint8_t>& seed : photovec::fuzz::Seeds()) {
    std::ofstream out(folder + "/seed-" + std::to_string(number++), std::ios::binary);
    out.write(reinterpret_cast<const char*>(seed.data()), static_cast<std::streamsize>(seed.size()));
    if (!out.flush()) {
      std::fprintf(stderr, "cannot write seeds to %s\n", folder.c_str());
      return 1;
    }
  }
  std::printf("%zu seeds\n", number);
  return 0;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc == 3 && std::string_view((*argv)[1]) == "seeds") std::exit(WriteSeeds((*argv)[2]));
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  photovec::fuzz::FuzzOne(data, size);
  return 0;
}

/// libFuzzer's own mutations, seven in eight with checksums put right.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 == 0) return size;
  std::vector<uint8_t> repaired(data, data + size);
  photovec::fuzz::Repair(&repaired);
  if (repaired.empty() || repaired.size() > max_size) return size;
  std::memcpy(data, repaired.data(), repaired.size());
  return repaired.size();
}
