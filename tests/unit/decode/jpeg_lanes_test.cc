// SPDX-License-Identifier: MIT
#include "decode/gpu/jpeg_lanes.h"

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

using device::JpegJob;
using device::JpegLane;

// Writes the photo's first byte into the slot; refuses photos that begin with 'x'. Waits while closed.
class FakeLane : public JpegLane {
 public:
  explicit FakeLane(size_t most) : most_(most) {}
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
  device::JpegLaneCounts counts() const override { return {}; }
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

class GpuJpegTest : public testing::Test {
 protected:
  GpuJpegTest() {
    spec_.crop = spec_.resize_short = 16;
    const std::vector<uint8_t> pixels(32 * 48 * 3);
    plan_ = *preprocess::MakePlan({{pixels.data(), 48, 32, 48 * 3}, 48, 32, 1, 1}, spec_);
    x_ = preprocess::BuildTapTable(plan_.x.key);
    y_ = preprocess::BuildTapTable(plan_.y.key);
  }
  std::unique_ptr<GpuJpegLanes> Make(size_t most_a_run, size_t most_jobs, bool patient = false,
                                     CpuShare cpus = {}) {
    auto lane = std::make_unique<FakeLane>(most_a_run);
    lane_ = lane.get();
    std::vector<GpuJpegLanes::Lane> lanes;
    lanes.push_back({std::move(lane), 1, most_jobs});
    if (patient) {
      auto second = std::make_unique<FakeLane>(100);
      patient_ = second.get();
      lanes.push_back({std::move(second), 8, 100});
    }
    auto made = std::make_unique<GpuJpegLanes>(std::move(lanes), cpus);
    while (made->idle_lanes() == 0) std::this_thread::yield();  // else a CPU takes the first photo
    return made;
  }
  Status Decode(GpuJpegLanes& lanes, const std::string& text, std::vector<uint8_t>& out) {
    CpuTurn turn;
    const Status status = Decode(lanes, text, out, turn);
    EXPECT_EQ(turn, nullptr);
    return status;
  }
  Status Decode(GpuJpegLanes& lanes, const std::string& text, std::vector<uint8_t>& out, CpuTurn& turn) {
    JpegJob job = Job(text, out);
    lanes.Decode(job, turn);
    return job.status;
  }
  JpegJob Job(const std::string& text, std::vector<uint8_t>& out) {
    out.assign(spec_.slot_bytes(), 0);
    return {AsBytes(text), {}, 48, 32, &plan_, &x_, &y_, 16, out, Status::Ok()};
  }

  preprocess::Spec spec_;
  preprocess::Plan plan_;
  preprocess::TapTable x_;
  preprocess::TapTable y_;
  FakeLane* lane_ = nullptr;
  FakeLane* patient_ = nullptr;
};

// Nothing is copied on the way: the lane fills in the caller's own job.
TEST_F(GpuJpegTest, TheLaneGetsTheCallersJob) {
  const auto lanes = Make(100, 64);
  std::vector<uint8_t> out;
  const std::string text = "photo";
  JpegJob job = Job(text, out);
  CpuTurn turn;
  lanes->Decode(job, turn);
  EXPECT_EQ(lane_->last, &job);
  EXPECT_TRUE(job.status.ok());
  EXPECT_EQ(out[0], 'p');
  const std::string refused = "x";
  job = Job(refused, out);
  lanes->Decode(job, turn);
  EXPECT_EQ(job.status.code(), Code::kNotImplemented);
}

TEST_F(GpuJpegTest, CallersAreServedTogetherAndEachGetsItsOwn) {
  const auto lanes = Make(100, 64);
  lane_->Close();
  std::vector<std::thread> threads;
  std::vector<std::vector<uint8_t>> outs(20);
  std::vector<Status> statuses(20);
  for (size_t i = 0; i < 20; ++i) {
    threads.emplace_back([&, i] {
      const std::string text(1, i % 5 == 0 ? 'x' : static_cast<char>('a' + i));
      statuses[i] = Decode(*lanes, text, outs[i]);
    });
  }
  lane_->AwaitCall();
  lane_->Open();
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < 20; ++i) {
    if (i % 5 == 0) {
      EXPECT_EQ(statuses[i].code(), Code::kNotImplemented) << i;
    } else {
      EXPECT_TRUE(statuses[i].ok()) << i;
      EXPECT_EQ(outs[i][0], 'a' + i) << i;
    }
  }
  const auto counts = lanes->counts();
  EXPECT_EQ(counts.decoded, 16);
  EXPECT_EQ(counts.refused, 4);
}

TEST_F(GpuJpegTest, WhatALaneHasNoRoomForGoesIntoItsNextRun) {
  const auto lanes = Make(3, 64);
  lane_->Close();
  std::vector<std::thread> threads;
  std::vector<std::vector<uint8_t>> outs(10);
  for (size_t i = 0; i < 10; ++i) {
    threads.emplace_back([&, i] {
      const std::string text(1, static_cast<char>('a' + i));
      EXPECT_TRUE(Decode(*lanes, text, outs[i]).ok());
    });
  }
  lane_->AwaitCall();
  lane_->Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(*std::max_element(lane_->batches.begin(), lane_->batches.end()), 3U);
  EXPECT_EQ(lanes->counts().decoded, 10);
}

// A lane for large batches leaves few photos to the other one, and takes many while that is busy.
TEST_F(GpuJpegTest, APatientLaneTakesOnlyLargeBatches) {
  const auto lanes = Make(1, 1, true);
  std::vector<uint8_t> out;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Decode(*lanes, "a", out).ok());
  EXPECT_TRUE(patient_->batches.empty());
  lane_->Close();
  std::vector<std::thread> threads;
  std::vector<std::vector<uint8_t>> outs(20);
  std::atomic<int> done{0};
  for (size_t i = 0; i < 20; ++i) {
    threads.emplace_back([&, i] {
      EXPECT_TRUE(Decode(*lanes, "b", outs[i]).ok());
      ++done;
    });
  }
  patient_->AwaitCall();
  lane_->Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 20);
  ASSERT_FALSE(patient_->batches.empty());
  EXPECT_GE(patient_->batches.front(), 8U);
}

// While the lane is busy, a photo goes to a CPU that is free; when none is, it waits for whoever is free
// first.
TEST_F(GpuJpegTest, AFreeCpuTakesWhatABusyLaneDoesNot) {
  const auto lanes = Make(100, 1, false, {1, true});
  lane_->Close();
  std::vector<uint8_t> first;
  std::thread on_lane([&] { EXPECT_TRUE(Decode(*lanes, "a", first).ok()); });
  lane_->AwaitCall();
  std::vector<uint8_t> second;
  CpuTurn turn;
  EXPECT_EQ(Decode(*lanes, "b", second, turn).code(), Code::kNotImplemented);
  ASSERT_NE(turn, nullptr);
  std::atomic<bool> third_done{false};
  CpuTurn third_turn;
  std::vector<uint8_t> third;
  std::thread waiting([&] {
    EXPECT_EQ(Decode(*lanes, "c", third, third_turn).code(), Code::kNotImplemented);
    third_done = true;
  });
  while (lanes->waiting() == 0) std::this_thread::yield();
  EXPECT_FALSE(third_done);
  turn = nullptr;  // the CPU is done with the second
  waiting.join();
  EXPECT_NE(third_turn, nullptr);
  third_turn = nullptr;
  lane_->Open();
  on_lane.join();
  EXPECT_EQ(lanes->counts().decoded, 1);
  EXPECT_EQ(lanes->counts().left_to_cpu, 2);
}

TEST_F(GpuJpegTest, AnIdleLaneComesBeforeTheCpu) {
  const auto lanes = Make(100, 64, false, {4, true});
  std::vector<uint8_t> out;
  EXPECT_TRUE(Decode(*lanes, "a", out).ok());
  EXPECT_EQ(lanes->counts().left_to_cpu, 0);
}

TEST_F(GpuJpegTest, WithoutSharingPlainJpegsWaitForTheLane) {
  const auto lanes = Make(100, 1, false, {4, false});
  lane_->Close();
  std::vector<std::vector<uint8_t>> outs(3);
  std::vector<std::thread> threads;
  for (auto& out : outs) threads.emplace_back([&] { EXPECT_TRUE(Decode(*lanes, "a", out).ok()); });
  lane_->AwaitCall();
  while (lanes->waiting() < 2) std::this_thread::yield();
  lane_->Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lanes->counts().left_to_cpu, 0);
  EXPECT_EQ(lanes->counts().decoded, 3);
}

// However many threads there are, CPUs decode no more photos at once than there are turns; and those that
// only a CPU can decode come before those that a lane might.
TEST_F(GpuJpegTest, CpuTurnsAreBoundedAndGoToThoseWithoutAChoiceFirst) {
  const auto lanes = Make(100, 1, false, {1, true});
  lane_->Close();
  std::vector<uint8_t> first;
  std::thread on_lane([&] { EXPECT_TRUE(Decode(*lanes, "a", first).ok()); });
  lane_->AwaitCall();
  CpuTurn held = lanes->AwaitCpu(false);
  std::mutex mutex;
  std::vector<std::string> order;
  std::vector<uint8_t> second;
  std::thread with_a_choice([&] {
    CpuTurn turn;
    EXPECT_FALSE(Decode(*lanes, "b", second, turn).ok());
    const std::scoped_lock lock(mutex);
    order.push_back("plain");
  });
  while (lanes->waiting() < 1) std::this_thread::yield();
  std::thread without([&] {
    const CpuTurn turn = lanes->AwaitCpu(false);
    const std::scoped_lock lock(mutex);
    order.push_back("other");
  });
  while (lanes->waiting() < 2) std::this_thread::yield();
  EXPECT_TRUE(order.empty());
  held = nullptr;
  with_a_choice.join();
  without.join();
  EXPECT_EQ(order, std::vector<std::string>({"other", "plain"}));
  lane_->Open();
  on_lane.join();
  EXPECT_EQ(lanes->counts().other, 2);
}

// One lane hangs with a batch: that goes to the CPU, the other lane takes what comes later, though it waited
// for large batches before; when the last one hangs, too, all photos are the CPU's.
TEST_F(GpuJpegTest, HangingLanesAreGivenUp) {
  const auto lanes = Make(100, 64, true);
  std::vector<uint8_t> out;
  EXPECT_FALSE(lanes->hangs());
  lane_->hangs = true;
  EXPECT_EQ(Decode(*lanes, "a", out).code(), Code::kDeviceFailed);
  EXPECT_TRUE(lanes->hangs());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Decode(*lanes, "b", out).ok());
  EXPECT_EQ(patient_->batches.size(), 3U);
  EXPECT_EQ(lane_->batches.size(), 1U);
  patient_->hangs = true;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Decode(*lanes, "c", out).code(), Code::kDeviceFailed);
  EXPECT_EQ(patient_->batches.size(), 4U) << "it is not asked again";
  EXPECT_EQ(lanes->counts().decoded, 3);
  EXPECT_EQ(lanes->counts().refused, 4);
}

// Photos that wait while the last lane hangs are answered, too.
TEST_F(GpuJpegTest, NobodyWaitsForAGpuThatHangs) {
  const auto lanes = Make(100, 1);
  lane_->Close();
  std::vector<std::vector<uint8_t>> outs(4);
  std::vector<std::thread> threads;
  for (auto& out : outs)
    threads.emplace_back([&] { EXPECT_EQ(Decode(*lanes, "a", out).code(), Code::kDeviceFailed); });
  lane_->AwaitCall();
  while (lanes->waiting() < 3) std::this_thread::yield();
  lane_->hangs = true;
  lane_->Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lane_->batches.size(), 1U);
  EXPECT_EQ(lanes->counts().refused, 4);
}

// A lane takes no more than it has room for: the rest is for others.
TEST_F(GpuJpegTest, ALaneTakesWhatItHasRoomFor) {
  auto lane = std::make_unique<FakeLane>(100);
  lane_ = lane.get();
  std::vector<GpuJpegLanes::Lane> all;
  all.push_back({std::move(lane), 1, 64, 2 * 48 * 32});  // two of the photos here
  const auto lanes = std::make_unique<GpuJpegLanes>(std::move(all));
  lane_->Close();
  std::vector<std::vector<uint8_t>> outs(9);
  std::vector<std::thread> threads;
  for (auto& out : outs) threads.emplace_back([&] { EXPECT_TRUE(Decode(*lanes, "a", out).ok()); });
  lane_->AwaitCall();
  while (lanes->waiting() < 7) std::this_thread::yield();
  lane_->Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*std::max_element(lane_->batches.begin(), lane_->batches.end()), 2U);
}

// What a lane turns out to have no room for waits for whoever is free first, not for that lane.
TEST_F(GpuJpegTest, WhatALaneHasNoRoomForIsAnybodys) {
  const auto lanes = Make(1, 64, false, {1, true});
  CpuTurn held = lanes->AwaitCpu(false);
  lane_->Close();
  std::vector<std::vector<uint8_t>> outs(6);
  std::vector<std::thread> threads;
  std::atomic<int> on_cpu{0};
  const auto start = [&](size_t i) {
    threads.emplace_back([&, i] {
      CpuTurn turn;
      if (!Decode(*lanes, "a", outs[i], turn).ok()) ++on_cpu;
    });
  };
  start(0);
  lane_->AwaitCall(1);
  for (size_t i = 1; i < outs.size(); ++i) start(i);
  while (lanes->waiting() < 5) std::this_thread::yield();
  lane_->LetOnePass();
  lane_->AwaitCall(2);  // with the other five
  lane_->LetOnePass();
  lane_->AwaitCall(3);  // with four; it has room for one
  held = nullptr;
  lane_->Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(on_cpu, 1);
  EXPECT_EQ(lanes->counts().decoded + lanes->counts().left_to_cpu, 6);
}

TEST_F(GpuJpegTest, ARefusedPhotoIsCountedOnce) {
  const auto lanes = Make(100, 64);
  std::vector<uint8_t> out;
  EXPECT_EQ(Decode(*lanes, "x", out).code(), Code::kNotImplemented);
  EXPECT_NE(lanes->AwaitCpu(true), nullptr);
  EXPECT_NE(lanes->AwaitCpu(false), nullptr);
  const auto counts = lanes->counts();
  EXPECT_EQ(counts.refused, 1);
  EXPECT_EQ(counts.other, 1);
}

}  // namespace
}  // namespace photovec::decode
