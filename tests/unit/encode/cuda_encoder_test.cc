// SPDX-License-Identifier: MIT
// The host's half of the CUDA backend on GPUs that are not there: what it does when they fail.
#include "encode/cuda/cuda_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "testing/fake_cuda.h"
#include "unit/encode/cpu_test_model.h"

namespace photovec::encode::cuda {
namespace {

constexpr int kSize = 32;
constexpr int kDim = 16;
constexpr auto kImpatient = std::chrono::milliseconds(20);

model::VisionConfig SmallConfig() {
  model::VisionConfig config;
  config.architecture = "CLIPVisionModelWithProjection";
  config.image_size = kSize;
  config.patch_size = 16;
  config.hidden_size = 32;
  config.layers = 1;
  config.heads = 2;
  config.mlp_size = 64;
  config.projection_dim = kDim;
  return config;
}

class CudaEncoderTest : public testing::Test {
 protected:
  explicit CudaEncoderTest(int devices = 1) : platform_(devices), model_(SmallConfig()) {
    for (int i = 0; i < 64; ++i) {
      images_.emplace_back(static_cast<size_t>(kSize) * kSize * 3, static_cast<uint8_t>(i));
    }
    for (const auto& image : images_) slots_.push_back({image.data(), PixelSlot::kHost});
  }

  Result<std::unique_ptr<CudaEncoder>> Make(int streams, int max_batch, std::vector<int> devices = {0},
                                            Clock::duration patience = std::chrono::minutes(1)) {
    EncoderOptions options;
    options.streams = streams;
    options.max_batch = max_batch;
    options.devices = std::move(devices);
    CudaEncoder::Settings settings;
    settings.least_patience = patience;
    return CudaEncoder::Create(platform_, model_.get(), nullptr, options, settings);
  }
  std::span<const PixelSlot> Slots(size_t first, size_t count) const {
    return std::span(slots_).subspan(first, count);
  }
  // Row i must be the vector of image first + i.
  static void ExpectRows(std::span<const float> out, size_t first) {
    for (size_t i = 0; i * kDim < out.size(); ++i) {
      for (size_t d = 0; d < kDim; ++d) ASSERT_EQ(out[i * kDim + d], static_cast<float>(first + i)) << i;
    }
  }

  device::test::FakePlatform platform_;
  encode::test::RandomModel model_;
  std::vector<std::vector<uint8_t>> images_;
  std::vector<PixelSlot> slots_;
};

TEST_F(CudaEncoderTest, TwoBatchesInFlightComeBackInOrder) {
  const auto encoder = Make(1, 8);
  ASSERT_TRUE(encoder.ok()) << encoder.status().ToString();
  EncoderStream& stream = (*encoder)->stream(0);
  EXPECT_EQ(stream.depth(), 2);
  std::vector<float> a(3 * kDim);
  std::vector<float> b(5 * kDim);
  for (int round = 0; round < 5; ++round) {
    const auto first = stream.Submit(Slots(0, 3), a);
    const auto second = stream.Submit(Slots(10, 5), b);
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(stream.Submit(Slots(0, 1), std::span(a).first(kDim)).status().code(), Code::kInternal);
    EXPECT_EQ(stream.Wait(*second).code(), Code::kInternal) << "out of order";
    ASSERT_TRUE(stream.Wait(*first).ok());
    ASSERT_TRUE(stream.Wait(*second).ok());
    ExpectRows(a, 0);
    ExpectRows(b, 10);
    EXPECT_EQ(stream.Wait(*second).code(), Code::kInternal) << "waited for twice";
  }
}

TEST_F(CudaEncoderTest, RefusesWrongUse) {
  const auto encoder = Make(1, 4);
  ASSERT_TRUE(encoder.ok());
  std::vector<float> out(5 * kDim);
  EXPECT_EQ((*encoder)->stream(0).Submit(Slots(0, 5), out).status().code(), Code::kInternal);
  EXPECT_EQ((*encoder)->stream(0).Submit(Slots(0, 4), out).status().code(), Code::kInternal);
  EXPECT_EQ((*encoder)->stream(0).Submit({}, {}).status().code(), Code::kInternal);
  EXPECT_EQ((*encoder)->stream(0).Wait({7}).code(), Code::kInternal);
  EXPECT_EQ(Make(-1, 4).status().code(), Code::kInvalidRequest);
  EXPECT_EQ(Make(1, 100'000).status().code(), Code::kInvalidRequest);
  EXPECT_EQ(Make(1, 4, {3}).status().code(), Code::kUnavailable);
}

TEST_F(CudaEncoderTest, DescribesItself) {
  const auto encoder = Make(0, 0);
  ASSERT_TRUE(encoder.ok());
  const EncoderInfo& info = (*encoder)->info();
  EXPECT_EQ(info.backend, "cuda");
  EXPECT_EQ(info.precision, "f16");
  EXPECT_EQ(info.max_batch, 256);
  EXPECT_EQ(info.embedding_dim, kDim);
  EXPECT_EQ((*encoder)->stream_count(), 2);
  EXPECT_NE(info.detail.find("Fake GPU (cuda:0), fake runtime, 2 streams"), std::string::npos) << info.detail;
  EXPECT_TRUE((*encoder)->Warmup().ok());
}

TEST_F(CudaEncoderTest, LessMemoryAtTheStartMakesSmallerBatches) {
  platform_.faults.most_stream_batch = 20;
  const auto encoder = Make(2, 64);
  ASSERT_TRUE(encoder.ok()) << encoder.status().ToString();
  EXPECT_EQ((*encoder)->info().max_batch, 16);
  EXPECT_EQ((*encoder)->stream_count(), 2);
}

TEST_F(CudaEncoderTest, NoMemoryAtAllIsAClearError) {
  platform_.faults.most_stream_batch = 0;
  const auto encoder = Make(2, 64);
  EXPECT_EQ(encoder.status().code(), Code::kUnavailable);
  EXPECT_NE(encoder.status().message().find("not even with batches of 1"), std::string::npos)
      << encoder.status().message();
}

TEST_F(CudaEncoderTest, LessMemoryLaterHalvesTheBatch) {
  const auto encoder = Make(1, 64);
  ASSERT_TRUE(encoder.ok());
  platform_.faults.most_start_batch = 5;
  std::vector<float> out(37 * kDim);
  std::vector<float> small(4 * kDim);
  const auto large = (*encoder)->stream(0).Submit(Slots(2, 37), out);
  const auto next = (*encoder)->stream(0).Submit(Slots(50, 4), small);
  ASSERT_TRUE(large.ok() && next.ok());
  ASSERT_TRUE((*encoder)->stream(0).Wait(*large).ok());
  ASSERT_TRUE((*encoder)->stream(0).Wait(*next).ok());
  ExpectRows(out, 2);
  ExpectRows(small, 50);
}

TEST_F(CudaEncoderTest, NoMemoryForOneImageFailsThatBatchOnly) {
  const auto encoder = Make(1, 8);
  ASSERT_TRUE(encoder.ok());
  EncoderStream& stream = (*encoder)->stream(0);
  platform_.faults.most_start_batch = 0;
  std::vector<float> out(8 * kDim);
  EXPECT_EQ(stream.Submit(Slots(0, 1), std::span(out).first(kDim)).status().code(), Code::kDeviceOutOfMemory);
  const auto ticket = stream.Submit(Slots(0, 8), out);
  EXPECT_EQ(ticket.ok() ? stream.Wait(*ticket).code() : ticket.status().code(), Code::kDeviceOutOfMemory);
  platform_.faults.most_start_batch = 8;
  const auto again = stream.Submit(Slots(0, 8), out);
  ASSERT_TRUE(again.ok());
  ASSERT_TRUE(stream.Wait(*again).ok());
  ExpectRows(out, 0);
}

TEST_F(CudaEncoderTest, AStickyErrorStopsEveryStreamOfTheDevice) {
  const auto encoder = Make(2, 8);
  ASSERT_TRUE(encoder.ok());
  EncoderStream& one = (*encoder)->stream(0);
  EncoderStream& other = (*encoder)->stream(1);
  std::vector<float> out(8 * kDim);
  std::vector<float> out2(8 * kDim);
  const auto in_flight = other.Submit(Slots(0, 8), out2);
  ASSERT_TRUE(in_flight.ok());
  platform_.faults.dones_until_sticky = 0;
  const auto ticket = one.Submit(Slots(0, 8), out);
  ASSERT_TRUE(ticket.ok());
  const Status failed = one.Wait(*ticket);
  EXPECT_EQ(failed.code(), Code::kDeviceFailed);
  EXPECT_NE(failed.message().find("illegal memory access"), std::string::npos) << failed.message();
  EXPECT_EQ(other.Wait(*in_flight).code(), Code::kDeviceFailed);
  EXPECT_EQ(other.Submit(Slots(0, 1), std::span(out).first(kDim)).status().code(), Code::kDeviceFailed);
  EXPECT_TRUE(one.usable() && other.usable()) << "a broken device is no hang: the process must end";
  EXPECT_EQ(platform_.faults.calls_after_sticky, 0) << "nothing may touch the device any more";
}

TEST_F(CudaEncoderTest, AStickyErrorWhileStartingIsTheSame) {
  const auto encoder = Make(1, 8);
  ASSERT_TRUE(encoder.ok());
  platform_.faults.starts_until_sticky = 0;
  std::vector<float> out(8 * kDim);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ((*encoder)->stream(0).Submit(Slots(0, 8), out).status().code(), Code::kDeviceFailed);
  }
  EXPECT_EQ(platform_.faults.starts, 1);
}

TEST_F(CudaEncoderTest, AHangIsNoticedAndLosesOneStream) {
  auto encoder = Make(2, 8, {0}, kImpatient);
  ASSERT_TRUE(encoder.ok());
  std::vector<uint8_t> arena(4096);
  ASSERT_TRUE((*encoder)->RegisterSlots(arena).ok());
  platform_.faults.hanging_stream = 0;
  std::vector<float> out(8 * kDim);
  std::vector<float> out2(8 * kDim);
  EncoderStream& hanging = (*encoder)->stream(0);
  const auto first = hanging.Submit(Slots(0, 8), out);
  const auto second = hanging.Submit(Slots(0, 8), out2);
  ASSERT_TRUE(first.ok() && second.ok());
  const TimePoint begin = Clock::now();
  EXPECT_EQ(hanging.Wait(*first).code(), Code::kDeviceFailed);
  EXPECT_GE(Clock::now() - begin, kImpatient / 2);
  EXPECT_FALSE(hanging.usable());
  const int polls = platform_.faults.polls;
  EXPECT_EQ(hanging.Wait(*second).code(), Code::kDeviceFailed);
  EXPECT_EQ(platform_.faults.polls, polls) << "patience is lost once";
  EXPECT_EQ(hanging.Submit(Slots(0, 1), std::span(out).first(kDim)).status().code(), Code::kDeviceFailed);

  EncoderStream& other = (*encoder)->stream(1);
  EXPECT_TRUE(other.usable());
  const auto ticket = other.Submit(Slots(3, 8), out);
  ASSERT_TRUE(ticket.ok());
  ASSERT_TRUE(other.Wait(*ticket).ok());
  ExpectRows(out, 3);

  (*encoder)->UnregisterSlots(arena);
  encoder->reset();
  EXPECT_EQ(platform_.faults.frees_while_hanging, 0) << "on a GPU, each would take for ever";
}

TEST_F(CudaEncoderTest, AHangWhileABatchRunsInHalvesIsTheSame) {
  const auto encoder = Make(1, 8, {0}, kImpatient);
  ASSERT_TRUE(encoder.ok());
  EncoderStream& stream = (*encoder)->stream(0);
  std::vector<float> out(8 * kDim);
  std::vector<float> small(2 * kDim);
  const auto before = stream.Submit(Slots(0, 2), small);
  platform_.faults.most_start_batch = 4;
  platform_.faults.hanging_stream = 0;
  const auto ticket = stream.Submit(Slots(0, 8), out);
  ASSERT_TRUE(before.ok() && ticket.ok()) << "the batch before is still to be waited for first";
  EXPECT_FALSE(stream.usable());
  EXPECT_EQ(stream.Wait(*before).code(), Code::kDeviceFailed);
  EXPECT_EQ(stream.Wait(*ticket).code(), Code::kDeviceFailed);
}

// The nap between two questions: the first few are asked without one.
TEST_F(CudaEncoderTest, AsksUntilTheBatchIsDone) {
  const auto encoder = Make(1, 8);
  ASSERT_TRUE(encoder.ok());
  std::vector<float> out(8 * kDim);
  for (const int polls : {1, 700, 3}) {
    platform_.faults.polls_before_done = polls;
    platform_.faults.polls = 0;
    const auto ticket = (*encoder)->stream(0).Submit(Slots(5, 8), out);
    ASSERT_TRUE(ticket.ok());
    ASSERT_TRUE((*encoder)->stream(0).Wait(*ticket).ok());
    EXPECT_EQ(platform_.faults.polls, polls + 1);
    ExpectRows(out, 5);
  }
}

TEST_F(CudaEncoderTest, AStreamThatWaitsHearsThatItsDeviceBroke) {
  const auto encoder = Make(2, 8);
  ASSERT_TRUE(encoder.ok());
  platform_.faults.hanging_stream = 1;
  EncoderStream& waiting = (*encoder)->stream(1);
  std::vector<float> out(8 * kDim);
  const auto ticket = waiting.Submit(Slots(0, 8), out);
  ASSERT_TRUE(ticket.ok());
  platform_.faults.starts_until_sticky = 0;
  Status heard;
  std::thread waiter([&] { heard = waiting.Wait(*ticket); });
  while (platform_.faults.polls == 0) std::this_thread::yield();
  std::vector<float> out2(8 * kDim);
  EXPECT_EQ((*encoder)->stream(0).Submit(Slots(0, 8), out2).status().code(), Code::kDeviceFailed);
  waiter.join();  // long before its own patience of a minute ends
  EXPECT_EQ(heard.code(), Code::kDeviceFailed);
  EXPECT_NE(heard.message().find("illegal memory access"), std::string::npos) << heard.message();
  EXPECT_TRUE(waiting.usable()) << "the device broke; the stream did not hang";
}

TEST_F(CudaEncoderTest, ANanRowLeavesItsNeighboursAlone) {
  const auto encoder = Make(1, 8);
  ASSERT_TRUE(encoder.ok());
  const std::vector<uint8_t> bad(static_cast<size_t>(kSize) * kSize * 3, 255);
  slots_[1].data = bad.data();
  std::vector<float> out(3 * kDim);
  const auto ticket = (*encoder)->stream(0).Submit(Slots(0, 3), out);
  ASSERT_TRUE(ticket.ok());
  ASSERT_TRUE((*encoder)->stream(0).Wait(*ticket).ok()) << "the batch did not fail";
  EXPECT_TRUE(std::isnan(out[kDim]));
  ExpectRows(std::span(out).first(kDim), 0);
  ExpectRows(std::span(out).subspan(2 * kDim), 2);
}

TEST(DeviceHealth, TellsOfMemoryOnceAMinute) {
  DeviceHealth health;
  const TimePoint now = Clock::now();
  EXPECT_TRUE(health.TellOfMemory(now));
  EXPECT_FALSE(health.TellOfMemory(now + std::chrono::seconds(59)));
  EXPECT_TRUE(health.TellOfMemory(now + std::chrono::seconds(60)));
  EXPECT_FALSE(health.TellOfMemory(now + std::chrono::seconds(61)));
}

TEST_F(CudaEncoderTest, PinsTheSlotsOnceADevice) {
  const auto encoder = Make(2, 8);
  ASSERT_TRUE(encoder.ok());
  std::vector<uint8_t> arena(4096);
  ASSERT_TRUE((*encoder)->RegisterSlots(arena).ok());
  EXPECT_EQ(platform_.faults.pinned, 1);
  (*encoder)->UnregisterSlots(arena);
  EXPECT_EQ(platform_.faults.pinned, 0);
  platform_.faults.pin_fails = true;
  EXPECT_EQ((*encoder)->RegisterSlots(arena).code(), Code::kUnavailable);
}

class SeveralGpus : public CudaEncoderTest {
 protected:
  SeveralGpus() : CudaEncoderTest(3) {}
};

TEST_F(SeveralGpus, StreamsAreSpreadOverThem) {
  const auto encoder = Make(0, 8, {0, 2});
  ASSERT_TRUE(encoder.ok());
  EXPECT_EQ((*encoder)->stream_count(), 4);
  EXPECT_EQ((*encoder)->device_count(), 2);
  EXPECT_EQ((*encoder)->device_model(1).device().index, 2);
  std::vector<float> out(8 * kDim);
  for (int i = 0; i < 4; ++i) {
    const auto ticket = (*encoder)->stream(i).Submit(Slots(static_cast<size_t>(i), 8), out);
    ASSERT_TRUE(ticket.ok());
    ASSERT_TRUE((*encoder)->stream(i).Wait(*ticket).ok());
    ExpectRows(out, static_cast<size_t>(i));
  }
}

TEST_F(SeveralGpus, EachNeedsAStream) {
  const auto encoder = Make(1, 8, {0, 1});
  EXPECT_EQ(encoder.status().code(), Code::kInvalidRequest);
  EXPECT_NE(encoder.status().message().find("2 GPUs"), std::string::npos) << encoder.status().message();
}

TEST_F(SeveralGpus, AGpuThatHangsIsLeftAloneAndTheOtherGivenBack) {
  auto encoder = Make(2, 8, {0, 1}, kImpatient);
  ASSERT_TRUE(encoder.ok());
  platform_.faults.hanging_stream = 1;
  std::vector<float> out(8 * kDim);
  const auto ticket = (*encoder)->stream(1).Submit(Slots(0, 8), out);
  ASSERT_TRUE(ticket.ok());
  EXPECT_EQ((*encoder)->stream(1).Wait(*ticket).code(), Code::kDeviceFailed);
  encoder->reset();
  EXPECT_EQ(platform_.faults.frees_while_hanging, 0);
  EXPECT_EQ(platform_.faults.streams.size(), 1U);
  EXPECT_EQ(platform_.faults.models.size(), 1U);
}

TEST_F(SeveralGpus, OneBrokenGpuLeavesTheOthersUntouched) {
  const auto encoder = Make(2, 8, {0, 1});
  ASSERT_TRUE(encoder.ok());
  platform_.faults.starts_until_sticky = 0;
  std::vector<float> out(8 * kDim);
  EXPECT_EQ((*encoder)->stream(0).Submit(Slots(0, 8), out).status().code(), Code::kDeviceFailed);
  platform_.faults.starts_until_sticky = -1;
  const auto ticket = (*encoder)->stream(1).Submit(Slots(0, 8), out);
  ASSERT_TRUE(ticket.ok());
  EXPECT_TRUE((*encoder)->stream(1).Wait(*ticket).ok());
}

}  // namespace
}  // namespace photovec::encode::cuda
