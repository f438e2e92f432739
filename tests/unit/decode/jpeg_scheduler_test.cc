// SPDX-License-Identifier: MIT
#include "decode/gpu/jpeg_scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "preprocess/geometry.h"
#include "preprocess/taps.h"

namespace photovec::decode {
namespace {

using device::JpegDecoder;
using device::JpegJob;

// Writes the photo's first byte into the slot; refuses photos that begin with 'x'. Waits while closed.
class FakeDecoder : public JpegDecoder {
 public:
  explicit FakeDecoder(size_t most) : most_(most) {}
  const std::string& detail() const override { return detail_; }
  size_t Run(std::span<JpegJob* const> jobs) override {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_ || permits_ > 0; });
    if (!open_) --permits_;
    const size_t count = std::min(most_, jobs.size());
    batches.push_back(count);
    last = jobs[0];
    if (hangs) usable_ = false;
    if (!usable_) {
      for (JpegJob* job : jobs.first(count)) job->status = Status(Code::kDeviceFailed, "hangs");
      return count;
    }
    for (JpegJob* job : jobs.first(count)) {
      if (job->encoded[0] == 'x') {
        job->status = Status(Code::kNotImplemented, "not this one");
      } else {
        job->out[0] = job->encoded[0];
        job->status = Status::Ok();
      }
    }
    return count;
  }
  device::JpegDecoderCounts counts() const override { return {}; }
  bool usable() const override { return usable_; }
  void Close() { open_ = false; }
  void Open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void LetOnePass() {
    const std::scoped_lock lock(mutex_);
    ++permits_;
    changed_.notify_all();
  }
  void AwaitCall(int number = 1) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ >= number; });
  }
  std::vector<size_t> batches;
  const JpegJob* last = nullptr;   ///< the first of the last batch
  std::atomic<bool> hangs{false};  ///< from the next batch on

 private:
  const size_t most_;
  const std::string detail_ = "fake";
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  std::atomic<bool> usable_{true};
  int permits_ = 0;
  int arrived_ = 0;
};

class GpuJpegSchedulerTest : public testing::Test {
 protected:
  GpuJpegSchedulerTest() {
    spec_.crop = spec_.resize_short = 16;
    const std::vector<uint8_t> pixels(32 * 48 * 3);
    plan_ = *preprocess::MakeResizePlan({{pixels.data(), 48, 32, 48 * 3}, 48, 32, 1, 1}, spec_);
    x_ = preprocess::BuildTapTable(plan_.x.key);
    y_ = preprocess::BuildTapTable(plan_.y.key);
  }
  std::unique_ptr<GpuJpegScheduler> Make(size_t most_a_run, size_t most_jobs, bool patient = false,
                                         CpuShare cpus = {}) {
    auto decoder = std::make_unique<FakeDecoder>(most_a_run);
    decoder_ = decoder.get();
    std::vector<GpuJpegScheduler::Worker> workers;
    workers.push_back({std::move(decoder), 1, most_jobs});
    if (patient) {
      auto second = std::make_unique<FakeDecoder>(100);
      patient_ = second.get();
      workers.push_back({std::move(second), 8, 100});
    }
    auto made = std::make_unique<GpuJpegScheduler>(std::move(workers), cpus);
    while (made->idle_workers() == 0) std::this_thread::yield();  // else a CPU takes the first photo
    return made;
  }
  Status Decode(GpuJpegScheduler& scheduler, const std::string& text, std::vector<uint8_t>& out) {
    CpuTurn turn;
    const Status status = Decode(scheduler, text, out, turn);
    EXPECT_EQ(turn, nullptr);
    return status;
  }
  Status Decode(GpuJpegScheduler& scheduler, const std::string& text, std::vector<uint8_t>& out,
                CpuTurn& turn) {
    JpegJob job = Job(text, out);
    scheduler.Decode(job, turn);
    return job.status;
  }
  JpegJob Job(const std::string& text, std::vector<uint8_t>& out) {
    out.assign(spec_.slot_bytes(), 0);
    return {AsBytes(text), {}, 48, 32, &plan_, &x_, &y_, 16, out, Status::Ok()};
  }

  preprocess::Spec spec_;
  preprocess::ResizePlan plan_;
  preprocess::TapTable x_;
  preprocess::TapTable y_;
  FakeDecoder* decoder_ = nullptr;
  FakeDecoder* patient_ = nullptr;
};

// Nothing is copied on the way: the decoder fills in the caller's own job.
TEST_F(GpuJpegSchedulerTest, TheDecoderGetsTheCallersJob) {
  const auto scheduler = Make(100, 64);
  std::vector<uint8_t> out;
  const std::string text = "photo";
  JpegJob job = Job(text, out);
  CpuTurn turn;
  scheduler->Decode(job, turn);
  EXPECT_EQ(decoder_->last, &job);
  EXPECT_TRUE(job.status.ok());
  EXPECT_EQ(out[0], 'p');
  const std::string refused = "x";
  job = Job(refused, out);
  scheduler->Decode(job, turn);
  EXPECT_EQ(job.status.code(), Code::kNotImplemented);
}

TEST_F(GpuJpegSchedulerTest, CallersAreServedTogetherAndEachGetsItsOwn) {
  const auto scheduler = Make(100, 64);
  decoder_->Close();
  std::vector<std::thread> threads;
  std::vector<std::vector<uint8_t>> outs(20);
  std::vector<Status> statuses(20);
  for (size_t i = 0; i < 20; ++i) {
    threads.emplace_back([&, i] {
      const std::string text(1, i % 5 == 0 ? 'x' : static_cast<char>('a' + i));
      statuses[i] = Decode(*scheduler, text, outs[i]);
    });
  }
  decoder_->AwaitCall();
  decoder_->Open();
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < 20; ++i) {
    if (i % 5 == 0) {
      EXPECT_EQ(statuses[i].code(), Code::kNotImplemented) << i;
    } else {
      EXPECT_TRUE(statuses[i].ok()) << i;
      EXPECT_EQ(outs[i][0], 'a' + i) << i;
    }
  }
  const auto counts = scheduler->counts();
  EXPECT_EQ(counts.decoded, 16);
  EXPECT_EQ(counts.refused, 4);
}

TEST_F(GpuJpegSchedulerTest, WhatADecoderHasNoRoomForGoesIntoItsNextRun) {
  const auto scheduler = Make(3, 64);
  decoder_->Close();
  std::vector<std::thread> threads;
  std::vector<std::vector<uint8_t>> outs(10);
  for (size_t i = 0; i < 10; ++i) {
    threads.emplace_back([&, i] {
      const std::string text(1, static_cast<char>('a' + i));
      EXPECT_TRUE(Decode(*scheduler, text, outs[i]).ok());
    });
  }
  decoder_->AwaitCall();
  decoder_->Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(*std::max_element(decoder_->batches.begin(), decoder_->batches.end()), 3U);
  EXPECT_EQ(scheduler->counts().decoded, 10);
}

// A decoder for large batches leaves few photos to the other one, and takes many while that is busy.
TEST_F(GpuJpegSchedulerTest, APatientDecoderTakesOnlyLargeBatches) {
  const auto scheduler = Make(1, 1, true);
  std::vector<uint8_t> out;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Decode(*scheduler, "a", out).ok());
  EXPECT_TRUE(patient_->batches.empty());
  decoder_->Close();
  std::vector<std::thread> threads;
  std::vector<std::vector<uint8_t>> outs(20);
  std::atomic<int> done{0};
  for (size_t i = 0; i < 20; ++i) {
    threads.emplace_back([&, i] {
      EXPECT_TRUE(Decode(*scheduler, "b", outs[i]).ok());
      ++done;
    });
  }
  patient_->AwaitCall();
  decoder_->Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 20);
  ASSERT_FALSE(patient_->batches.empty());
  EXPECT_GE(patient_->batches.front(), 8U);
}

// While the decoder is busy, a photo goes to a CPU that is free; when none is, it waits for whoever is free
// first.
TEST_F(GpuJpegSchedulerTest, AFreeCpuTakesWhatABusyDecoderDoesNot) {
  const auto scheduler = Make(100, 1, false, {1, true});
  decoder_->Close();
  std::vector<uint8_t> first;
  std::thread on_gpu([&] { EXPECT_TRUE(Decode(*scheduler, "a", first).ok()); });
  decoder_->AwaitCall();
  std::vector<uint8_t> second;
  CpuTurn turn;
  EXPECT_EQ(Decode(*scheduler, "b", second, turn).code(), Code::kNotImplemented);
  ASSERT_NE(turn, nullptr);
  std::atomic<bool> third_done{false};
  CpuTurn third_turn;
  std::vector<uint8_t> third;
  std::thread waiting([&] {
    EXPECT_EQ(Decode(*scheduler, "c", third, third_turn).code(), Code::kNotImplemented);
    third_done = true;
  });
  while (scheduler->waiting() == 0) std::this_thread::yield();
  EXPECT_FALSE(third_done);
  turn = nullptr;  // the CPU is done with the second
  waiting.join();
  EXPECT_NE(third_turn, nullptr);
  third_turn = nullptr;
  decoder_->Open();
  on_gpu.join();
  EXPECT_EQ(scheduler->counts().decoded, 1);
  EXPECT_EQ(scheduler->counts().left_to_cpu, 2);
}

TEST_F(GpuJpegSchedulerTest, AnIdleDecoderComesBeforeTheCpu) {
  const auto scheduler = Make(100, 64, false, {4, true});
  std::vector<uint8_t> out;
  EXPECT_TRUE(Decode(*scheduler, "a", out).ok());
  EXPECT_EQ(scheduler->counts().left_to_cpu, 0);
}

TEST_F(GpuJpegSchedulerTest, WithoutSharingPlainJpegsWaitForTheDecoder) {
  const auto scheduler = Make(100, 1, false, {4, false});
  decoder_->Close();
  std::vector<std::vector<uint8_t>> outs(3);
  std::vector<std::thread> threads;
  for (auto& out : outs) threads.emplace_back([&] { EXPECT_TRUE(Decode(*scheduler, "a", out).ok()); });
  decoder_->AwaitCall();
  while (scheduler->waiting() < 2) std::this_thread::yield();
  decoder_->Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(scheduler->counts().left_to_cpu, 0);
  EXPECT_EQ(scheduler->counts().decoded, 3);
}

// However many threads there are, CPUs decode no more photos at once than there are turns; and those that
// only a CPU can decode come before those that a decoder might.
TEST_F(GpuJpegSchedulerTest, CpuTurnsAreBoundedAndGoToThoseWithoutAChoiceFirst) {
  const auto scheduler = Make(100, 1, false, {1, true});
  decoder_->Close();
  std::vector<uint8_t> first;
  std::thread on_gpu([&] { EXPECT_TRUE(Decode(*scheduler, "a", first).ok()); });
  decoder_->AwaitCall();
  CpuTurn held = scheduler->AwaitCpu(false);
  std::mutex mutex;
  std::vector<std::string> order;
  std::vector<uint8_t> second;
  std::thread with_a_choice([&] {
    CpuTurn turn;
    EXPECT_FALSE(Decode(*scheduler, "b", second, turn).ok());
    const std::scoped_lock lock(mutex);
    order.push_back("plain");
  });
  while (scheduler->waiting() < 1) std::this_thread::yield();
  std::thread without([&] {
    const CpuTurn turn = scheduler->AwaitCpu(false);
    const std::scoped_lock lock(mutex);
    order.push_back("other");
  });
  while (scheduler->waiting() < 2) std::this_thread::yield();
  EXPECT_TRUE(order.empty());
  held = nullptr;
  with_a_choice.join();
  without.join();
  EXPECT_EQ(order, std::vector<std::string>({"other", "plain"}));
  decoder_->Open();
  on_gpu.join();
  EXPECT_EQ(scheduler->counts().other, 2);
}

// One decoder hangs with a batch: that goes to the CPU, the other decoder takes what comes later, though it
// waited for large batches before; when the last one hangs, too, all photos are the CPU's.
TEST_F(GpuJpegSchedulerTest, HangingDecodersAreGivenUp) {
  const auto scheduler = Make(100, 64, true);
  std::vector<uint8_t> out;
  EXPECT_FALSE(scheduler->hangs());
  decoder_->hangs = true;
  EXPECT_EQ(Decode(*scheduler, "a", out).code(), Code::kDeviceFailed);
  EXPECT_TRUE(scheduler->hangs());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Decode(*scheduler, "b", out).ok());
  EXPECT_EQ(patient_->batches.size(), 3U);
  EXPECT_EQ(decoder_->batches.size(), 1U);
  patient_->hangs = true;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Decode(*scheduler, "c", out).code(), Code::kDeviceFailed);
  EXPECT_EQ(patient_->batches.size(), 4U) << "it is not asked again";
  EXPECT_EQ(scheduler->counts().decoded, 3);
  EXPECT_EQ(scheduler->counts().refused, 4);
}

// Photos that wait while the last decoder hangs are answered, too.
TEST_F(GpuJpegSchedulerTest, NobodyWaitsForAGpuThatHangs) {
  const auto scheduler = Make(100, 1);
  decoder_->Close();
  std::vector<std::vector<uint8_t>> outs(4);
  std::vector<std::thread> threads;
  for (auto& out : outs)
    threads.emplace_back([&] { EXPECT_EQ(Decode(*scheduler, "a", out).code(), Code::kDeviceFailed); });
  decoder_->AwaitCall();
  while (scheduler->waiting() < 3) std::this_thread::yield();
  decoder_->hangs = true;
  decoder_->Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(decoder_->batches.size(), 1U);
  EXPECT_EQ(scheduler->counts().refused, 4);
}

// A decoder takes no more than it has room for: the rest is for others.
TEST_F(GpuJpegSchedulerTest, ADecoderTakesWhatItHasRoomFor) {
  auto decoder = std::make_unique<FakeDecoder>(100);
  decoder_ = decoder.get();
  std::vector<GpuJpegScheduler::Worker> all;
  all.push_back({std::move(decoder), 1, 64, 2 * 48 * 32});  // two of the photos here
  const auto scheduler = std::make_unique<GpuJpegScheduler>(std::move(all));
  decoder_->Close();
  std::vector<std::vector<uint8_t>> outs(9);
  std::vector<std::thread> threads;
  for (auto& out : outs) threads.emplace_back([&] { EXPECT_TRUE(Decode(*scheduler, "a", out).ok()); });
  decoder_->AwaitCall();
  while (scheduler->waiting() < 7) std::this_thread::yield();
  decoder_->Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*std::max_element(decoder_->batches.begin(), decoder_->batches.end()), 2U);
}

// What a decoder turns out to have no room for waits for whoever is free first, not for that decoder.
TEST_F(GpuJpegSchedulerTest, WhatADecoderHasNoRoomForIsAnybodys) {
  const auto scheduler = Make(1, 64, false, {1, true});
  CpuTurn held = scheduler->AwaitCpu(false);
  decoder_->Close();
  std::vector<std::vector<uint8_t>> outs(6);
  std::vector<std::thread> threads;
  std::atomic<int> on_cpu{0};
  const auto start = [&](size_t i) {
    threads.emplace_back([&, i] {
      CpuTurn turn;
      if (!Decode(*scheduler, "a", outs[i], turn).ok()) ++on_cpu;
    });
  };
  start(0);
  decoder_->AwaitCall(1);
  for (size_t i = 1; i < outs.size(); ++i) start(i);
  while (scheduler->waiting() < 5) std::this_thread::yield();
  decoder_->LetOnePass();
  decoder_->AwaitCall(2);  // with the other five
  decoder_->LetOnePass();
  decoder_->AwaitCall(3);  // with four; it has room for one
  held = nullptr;
  decoder_->Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(on_cpu, 1);
  EXPECT_EQ(scheduler->counts().decoded + scheduler->counts().left_to_cpu, 6);
}

TEST_F(GpuJpegSchedulerTest, ARefusedPhotoIsCountedOnce) {
  const auto scheduler = Make(100, 64);
  std::vector<uint8_t> out;
  EXPECT_EQ(Decode(*scheduler, "x", out).code(), Code::kNotImplemented);
  EXPECT_NE(scheduler->AwaitCpu(true), nullptr);
  EXPECT_NE(scheduler->AwaitCpu(false), nullptr);
  const auto counts = scheduler->counts();
  EXPECT_EQ(counts.refused, 1);
  EXPECT_EQ(counts.other, 1);
}

}  // namespace
}  // namespace photovec::decode
