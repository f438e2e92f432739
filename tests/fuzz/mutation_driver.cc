// SPDX-License-Identifier: MIT
// Drives FuzzOne without a fuzzing engine, so that every test run fuzzes a little:
//   fuzz_<target>                  seeds and reproducible mutations of them, for one second
//   fuzz_<target> SECONDS [SEED]   longer, or another random sequence
//   fuzz_<target> replay FILE...   files of a corpus, or one that failed
// An input that takes over kMaxInputSeconds, or memory over kMaxResidentBytes, fails; the input that was
// running is left in the file fuzz_<target>.failed of the working directory when the process dies.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "base/random.h"
#include "fuzz/fuzz_target.h"

namespace photovec::fuzz {
namespace {

using File = std::vector<uint8_t>;
using SteadyClock = std::chrono::steady_clock;

// 32 MiB of pixels per decode, two decodes at a time; sanitizers keep freed memory back and triple the rest.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr long kMaxResidentBytes = 900L << 20;
constexpr double kMaxInputSeconds = 10;
#else
constexpr long kMaxResidentBytes = 300L << 20;
constexpr double kMaxInputSeconds = 2;
#endif

class Random {
 public:
  explicit Random(uint64_t seed) : bits_(seed) {}
  uint64_t Next() { return bits_.Next(); }
  size_t Below(size_t limit) { return limit == 0 ? 0 : static_cast<size_t>(Next() % limit); }

 private:
  SplitMix64 bits_;
};

ptrdiff_t Signed(size_t offset) { return static_cast<ptrdiff_t>(offset); }

void MutateOnce(const std::vector<File>& seeds, Random* random, File* file) {
  static constexpr uint8_t kInteresting[] = {0, 1, 2, 0x7F, 0x80, 0xD8, 0xD9, 0xDA, 0xFE, 0xFF};
  if (file->empty()) file->push_back(0);
  // Headers are small and matter most: half of all positions lie in the first 64 bytes.
  const size_t reach = random->Below(2) == 0 ? std::min<size_t>(file->size(), 64) : file->size();
  const size_t at = random->Below(reach);
  switch (random->Below(8)) {
    case 0:
      (*file)[at] ^= static_cast<uint8_t>(1U << random->Below(8));
      break;
    case 1:
      (*file)[at] = static_cast<uint8_t>(random->Next());
      break;
    case 2:
      (*file)[at] = kInteresting[random->Below(std::size(kInteresting))];
      break;
    case 3:
      file->resize(1 + random->Below(file->size()));
      break;
    case 4: {  // repeat a piece
      const size_t length = std::min(file->size() - at, 1 + random->Below(64));
      const File piece(file->begin() + Signed(at), file->begin() + Signed(at + length));
      file->insert(file->begin() + Signed(random->Below(file->size())), piece.begin(), piece.end());
      break;
    }
    case 5: {  // drop a piece
      const size_t length = std::min(file->size() - at, 1 + random->Below(32));
      file->erase(file->begin() + Signed(at), file->begin() + Signed(at + length));
      break;
    }
    case 6:
      for (size_t i = at; i < std::min(file->size(), at + 4); ++i)
        (*file)[i] = static_cast<uint8_t>(random->Next());
      break;
    default: {  // the end of another seed
      const File& other = seeds[random->Below(seeds.size())];
      const size_t from = random->Below(other.size());
      file->resize(at);
      file->insert(file->end(), other.begin() + Signed(from), other.end());
      break;
    }
  }
}

const File* g_current = nullptr;  // for OnDeath; the only way to hand it something
char g_failed_path[256];

/// Leaves the input that was running for `replay`. Async-signal-safe.
void OnDeath(int signal_number) {
  const int fd = open(g_failed_path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (fd >= 0 && g_current != nullptr && write(fd, g_current->data(), g_current->size()) < 0) _exit(3);
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

void RunOne(const File& file) {
  g_current = &file;
  const auto start = SteadyClock::now();
  FuzzOne(file.data(), file.size());
  const std::chrono::duration<double> took = SteadyClock::now() - start;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  if (took.count() > kMaxInputSeconds || usage.ru_maxrss * 1024 > kMaxResidentBytes) {
    std::fprintf(stderr, "an input of %zu bytes took %.1f s; resident memory came to %ld MiB\n", file.size(),
                 took.count(), usage.ru_maxrss / 1024);
    std::abort();
  }
}

int Replay(int count, char** paths) {
  for (int i = 0; i < count; ++i) {
    std::ifstream in(paths[i], std::ios::binary);
    RunOne(File(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()));
  }
  std::printf("%d files replayed\n", count);
  return 0;
}

int Fuzz(double seconds, uint64_t seed) {
  const std::vector<File> seeds = Seeds();
  for (const File& file : seeds) RunOne(file);
  Random random(seed);
  size_t runs = 0;
  const auto start = SteadyClock::now();
  while (std::chrono::duration<double>(SteadyClock::now() - start).count() < seconds) {
    File file = seeds[random.Below(seeds.size())];
    for (size_t mutations = 1 + random.Below(6); mutations > 0; --mutations)
      MutateOnce(seeds, &random, &file);
    if (random.Below(8) != 0) Repair(&file);
    RunOne(file);
    ++runs;
  }
  std::printf("%zu seeds, %zu mutations, none broke anything\n", seeds.size(), runs);
  return 0;
}

}  // namespace
}  // namespace photovec::fuzz

// Sanitizers end by abort(), so that OnDeath sees them.
extern "C" const char* __asan_default_options() { return "abort_on_error=1"; }
extern "C" const char* __ubsan_default_options() { return "abort_on_error=1:print_stacktrace=1"; }

int main(int argc, char** argv) {
  const std::string_view self(argv[0]);
  const std::string name(self.substr(self.rfind('/') + 1));
  std::snprintf(photovec::fuzz::g_failed_path, sizeof(photovec::fuzz::g_failed_path), "%s.failed",
                name.c_str());
  for (const int deadly : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(deadly, photovec::fuzz::OnDeath);
  if (argc > 1 && std::string_view(argv[1]) == "replay") return photovec::fuzz::Replay(argc - 2, argv + 2);
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1.0;
  return photovec::fuzz::Fuzz(seconds, argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
}
