// SPDX-License-Identifier: MIT
// decoder_storm PROGRAM IMAGES [THREADS]: sends IMAGES photos through a pool of decoder processes while a
// random one of them is killed every 200 ms. Fails unless every image is answered exactly once, with the
// right pixels or as crashed, and nothing grows: descriptors, children, memory.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/machine.h"
#include "decode/sandbox/decoder_pool.h"
#include "testing/test_images.h"

namespace photovec {
namespace {

constexpr std::chrono::milliseconds kKillEvery{200};
constexpr uint64_t kMayGrowBytes = 32ULL << 20;

std::vector<int> Children() {
  std::vector<int> pids;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream in(task.path() / "children");
    for (int pid = 0; in >> pid;) pids.push_back(pid);
  }
  return pids;
}

size_t OpenFds() {
  const std::filesystem::directory_iterator fds("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(fds), end(fds)));
}

struct Photo {
  test::Encoded encoded;
  std::vector<uint8_t> wanted;
};

class Storm {
 public:
  Storm(decode::DecoderPool* pool, int64_t images) : pool_(*pool), answers_(static_cast<size_t>(images)) {
    spec_.resize_short = spec_.crop = 64;
    for (uint32_t seed = 1; seed <= 16; ++seed) {
      Photo photo;
      photo.encoded = test::EncodeJpeg(test::MakePhoto(200, 150, 3, seed));
      photo.wanted.resize(spec_.slot_bytes());
      if (!Decode(*decode::MakeInProcessDecoder(), photo, photo.wanted).ok()) std::abort();
      photos_.push_back(std::move(photo));
    }
  }

  void Run(int threads) {
    std::vector<std::thread> workers;
    for (int i = 0; i < threads; ++i) workers.emplace_back([this] { Work(); });
    std::thread killer([this] { Kill(); });
    for (std::thread& worker : workers) worker.join();
    over_ = true;
    killer.join();
  }

  bool Report() const {
    int64_t once = 0;
    for (const auto& count : answers_) once += count.load() == 1 ? 1 : 0;
    std::printf("%zu images, %lld answered exactly once: %lld right, %lld crashed, %lld wrong; %lld kills\n",
                answers_.size(), static_cast<long long>(once), static_cast<long long>(right_.load()),
                static_cast<long long>(crashed_.load()), static_cast<long long>(wrong_.load()),
                static_cast<long long>(kills_.load()));
    return once == static_cast<int64_t>(answers_.size()) && wrong_ == 0 && kills_ > 0;
  }

 private:
  Status Decode(decode::Decoder& decoder, const Photo& photo, std::span<uint8_t> out) {
    decode::DecodeJob job;
    job.encoded = photo.encoded;
    job.spec = &spec_;
    job.out = out;
    return decoder.Decode(job).status();
  }

  void Work() {
    const auto decoder = pool_.MakeDecoder();
    std::vector<uint8_t> pixels(spec_.slot_bytes());
    for (size_t i = next_++; i < answers_.size(); i = next_++) {
      const Photo& photo = photos_[i % photos_.size()];
      const Status status = Decode(*decoder, photo, pixels);
      ++answers_[i];
      if (status.ok() && pixels == photo.wanted) {
        ++right_;
      } else if (status.code() == Code::kDecoderCrashed) {
        ++crashed_;
      } else {
        ++wrong_;
      }
    }
  }

  void Kill() {
    std::minstd_rand random(1);
    while (!over_) {
      const std::vector<int> pids = Children();
      if (!pids.empty() && kill(pids[random() % pids.size()], SIGKILL) == 0) ++kills_;
      std::this_thread::sleep_for(kKillEvery);
    }
  }

  decode::DecoderPool& pool_;
  preprocess::Spec spec_;
  std::vector<Photo> photos_;
  std::vector<std::atomic<int>> answers_;
  std::atomic<size_t> next_{0};
  std::atomic<int64_t> right_{0};
  std::atomic<int64_t> crashed_{0};
  std::atomic<int64_t> wrong_{0};
  std::atomic<int64_t> kills_{0};
  std::atomic<bool> over_{false};
};

int Run(const char* program, int64_t images, int threads) {
  const size_t fds_before = OpenFds();
  bool good = false;
  uint64_t grown = 0;
  {
    decode::DecoderPoolOptions options;
    options.workers = threads;
    options.program = program;
    auto pool = decode::DecoderPool::Create(options);
    if (!pool.ok()) {
      std::fprintf(stderr, "%s\n", pool.status().ToString().c_str());
      return 1;
    }
    Storm(pool->get(), 2000).Run(threads);  // what is taken once is taken now
    Storm storm(pool->get(), images);
    const uint64_t rss_before = ResidentBytes();
    storm.Run(threads);
    const uint64_t rss_after = ResidentBytes();
    grown = rss_after > rss_before ? rss_after - rss_before : 0;
    good = storm.Report();
  }
  const bool leaks = OpenFds() != fds_before || !Children().empty() || grown > kMayGrowBytes;
  std::printf("descriptors %zu -> %zu, children left %zu, memory grew by %llu KiB\n", fds_before, OpenFds(),
              Children().size(), static_cast<unsigned long long>(grown >> 10));
  return good && !leaks ? 0 : 1;
}

}  // namespace
}  // namespace photovec

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: decoder_storm PATH/photovec-decoder IMAGES [THREADS]\n");
    return 2;
  }
  photovec::InitLogging(photovec::LogLevel::kError);  // each kill is a warning
  return photovec::Run(argv[1], std::atoll(argv[2]), argc > 3 ? std::atoi(argv[3]) : 2);
}
