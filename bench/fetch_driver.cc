// SPDX-License-Identifier: MIT
// Fetches URLs as the server does, a number of them at a time, and prints one JSON object: seconds, failures,
// bytes, and the CPU time of the one thread that moves the bytes. bench/fetch_throughput runs it.
//   fetch_driver URL_PREFIX COUNT IN_FLIGHT     fetches URL_PREFIX0, URL_PREFIX1, ...
#include <unistd.h>
#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>

#include "fetch/make_fetcher.h"

namespace photovec::fetch {
namespace {

/// User and system time of the fetch thread so far; negative when there is none of that name.
double FetchThreadSeconds() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "stat");
    const std::string stat{std::istreambuf_iterator<char>(file), {}};
    if (stat.find("(fetch-http)") == std::string::npos) continue;
    long user = 0;
    long system = 0;
    // proc(5): fields 14 and 15, counted from behind the name.
    if (std::sscanf(stat.c_str() + stat.rfind(')') + 1,
                    " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system) != 2) {
      continue;
    }
    return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
  return -1;
}

int Run(const std::string& prefix, int count, int in_flight) {
  FetchOptions options;
  options.allow_hosts = {"127.0.0.1:*"};
  options.allow_cidrs = {"127.0.0.1/32"};
  options.max_transfers = options.max_transfers_per_host = in_flight;
  const auto fetcher = MakeFetcher(options).value();
  std::mutex mutex;
  std::condition_variable changed;
  int running = 0;
  int failed = 0;
  uint64_t bytes = 0;
  const TimePoint begun = Clock::now();
  for (int i = 0; i < count; ++i) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return running < in_flight; });
      ++running;
    }
    fetcher->Fetch(FetchRequest{.reference = prefix + std::to_string(i)}, [&](const Result<Bytes>& result) {
      std::scoped_lock lock(mutex);
      --running;
      if (result.ok()) {
        bytes += result.value().size();
      } else if (++failed == 1) {
        std::fprintf(stderr, "fetch_driver: %s\n", result.status().ToString().c_str());
      }
      changed.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return running == 0; });
  const double seconds = static_cast<double>(MicrosBetween(begun, Clock::now())) / 1e6;
  std::printf("{\"seconds\": %.4f, \"failed\": %d, \"bytes\": %llu, \"cpu_seconds\": %.2f}\n", seconds,
              failed, static_cast<unsigned long long>(bytes), FetchThreadSeconds());
  return failed == 0 ? 0 : 1;
}

bool ParsePositive(const char* text, int& value) {
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
  return error == std::errc() && *end == '\0' && value > 0;
}

}  // namespace
}  // namespace photovec::fetch

int main(int argc, char** argv) {
  int count = 0;
  int in_flight = 0;
  if (argc != 4 || !photovec::fetch::ParsePositive(argv[2], count) ||
      !photovec::fetch::ParsePositive(argv[3], in_flight)) {
    std::fprintf(stderr, "usage: fetch_driver URL_PREFIX COUNT IN_FLIGHT\n");
    return 2;
  }
  return photovec::fetch::Run(argv[1], count, in_flight);
}
