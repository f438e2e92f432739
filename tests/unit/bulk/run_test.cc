// SPDX-License-Identifier: MIT
#include "bulk/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "bulk/reader.h"
#include "bulk/walker.h"
#include "metrics/registry.h"

namespace photovec::bulk {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// The vector of a photo is (first byte of the file, 1): rows tell which file they came from.
class FakeStream : public encode::EncoderStream {
 public:
  explicit FakeStream(const bool* broken) : broken_(broken) {}
  Result<encode::Ticket> Submit(std::span<const PixelSlot> slots, std::span<float> out) override {
    if (*broken_) return Status(Code::kDeviceFailed, "the device is gone");
    for (size_t i = 0; i < slots.size(); ++i) {
      out[2 * i] = static_cast<float>(slots[i].data[0]);
      out[2 * i + 1] = 1;
    }
    return encode::Ticket{1};
  }
  Status Wait(encode::Ticket /*ticket*/) override { return Status::Ok(); }
  int depth() const override { return 1; }

 private:
  const bool* broken_;
};

class FakeEncoder : public encode::Encoder {
 public:
  explicit FakeEncoder(const bool* broken) : stream_(broken) {
    info_.image_size = 4;
    info_.embedding_dim = 2;
    info_.max_batch = 8;
  }
  const encode::EncoderInfo& info() const override { return info_; }
  int stream_count() const override { return 1; }
  encode::EncoderStream& stream(int /*index*/) override { return stream_; }
  Status Warmup() override { return Status::Ok(); }

 private:
  encode::EncoderInfo info_;
  FakeStream stream_;
};

class FakeDecoder : public decode::Decoder {
 public:
  Result<decode::DecodeReport> Decode(const decode::DecodeJob& job) override {
    if (job.encoded.empty()) return Status(Code::kUnsupportedFormat, "empty");
    std::fill(job.out.begin(), job.out.end(), job.encoded[0]);
    decode::DecodeReport report;
    report.decoded_at = Clock::now();
    return report;
  }
};

class EmbedRunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::path(::testing::TempDir()) / ("photovec_run_" + std::string(info->name()));
    fs::remove_all(root_);
    fs::create_directories(root_ / "in");
    pipeline::ModelSetup setup;
    setup.name = "fake";
    setup.encoder = std::make_unique<FakeEncoder>(&broken_);
    setup.spec.crop = 4;
    std::vector<pipeline::ModelSetup> setups;
    setups.push_back(std::move(setup));
    pipeline::PipelineOptions options;
    options.decoders = 2;
    options.memory_budget_bytes = uint64_t{64} << 20;
    auto made = pipeline::Pipeline::Create(
        std::move(setups), reader_, [] { return std::make_unique<FakeDecoder>(); }, *registry_, options);
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    pipeline_ = std::move(*made);
  }
  void TearDown() override {
    pipeline_.reset();
    fs::remove_all(root_);
  }

  // File i is named so that names sort as numbers; its one byte tells which it is. Every 7th is empty.
  void MakeFiles(int count) const {
    for (int i = 0; i < count; ++i) {
      char name[32];
      std::snprintf(name, sizeof(name), "in/%05d.jpg", i);
      std::ofstream out(root_ / name, std::ios::binary);
      if (i % 7 != 3) out.put(static_cast<char>(1 + i % 100));
    }
  }
  std::string Read(const std::string& name) const {
    std::ifstream in(root_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Runs over the folder and one missing file; returns the run's summary.
  StageSummary& Run(std::function<bool()> stop, int64_t checkpoint_images = 0) {
    walker_ = std::make_unique<PathWalker>(
        std::vector{(root_ / "in").string(), (root_ / "gone.jpg").string()}, false);
    return RunOver(*walker_, std::move(stop), checkpoint_images);
  }
  StageSummary& RunOver(Source& source, std::function<bool()> stop, int64_t checkpoint_images = 0) {
    auto output = PartialResult::Create((root_ / "p").string(), {}, 2);
    EXPECT_TRUE(output.ok()) << output.status().ToString();
    EmbedRun::Options options;
    options.max_unfinished = 4;
    options.checkpoint_images = checkpoint_images;
    run_ = std::make_unique<EmbedRun>(*pipeline_, source, **output, options,
                                      EmbedRun::Hooks{std::move(stop), [](int64_t, int64_t) {}});
    const Status status = run_->Run();
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ((*output)->checkpoint().lines, run_->summary().images());
    return run_->summary();
  }
  std::string Lines() const { return Read("p/vectors.jsonl"); }

  bool broken_ = false;
  fs::path root_;
  std::unique_ptr<metrics::Registry> registry_ = metrics::Registry::Create();
  PathReader reader_{4, 4096};
  std::unique_ptr<pipeline::Pipeline> pipeline_;
  std::unique_ptr<PathWalker> walker_;
  std::unique_ptr<EmbedRun> run_;
};

TEST_F(EmbedRunTest, RowsAndLinesAreInInputOrder) {
  constexpr int kFiles = 1500;  // more than may be in flight
  MakeFiles(kFiles);
  const StageSummary& summary = Run([] { return false; });
  EXPECT_FALSE(run_->stopped());
  EXPECT_EQ(summary.images(), kFiles + 1);
  EXPECT_EQ(summary.failures().at("not_found"), 1);

  const std::string npy = Read("p/vectors.npy").substr(128);
  std::ifstream lines(root_ / "p/vectors.jsonl");
  std::string line;
  int row = 0;
  for (int i = 0; i < kFiles; ++i) {
    ASSERT_TRUE(std::getline(lines, line));
    char name[32];
    std::snprintf(name, sizeof(name), "/in/%05d.jpg", i);
    ASSERT_THAT(line, HasSubstr(name));
    if (i % 7 == 3) {
      EXPECT_THAT(line, HasSubstr(R"("row":null,"error":{"code":"unsupported_format")"));
      continue;
    }
    EXPECT_THAT(line, HasSubstr("\"row\":" + std::to_string(row) + ",\"error\":null"));
    float values[2];
    ASSERT_LE(static_cast<size_t>(row + 1) * sizeof(values), npy.size());
    std::memcpy(values, npy.data() + static_cast<size_t>(row) * sizeof(values), sizeof(values));
    EXPECT_NEAR(values[0] / values[1], static_cast<float>(1 + i % 100), 1e-3) << "row " << row;
    ++row;
  }
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_THAT(line, HasSubstr("not_found"));
  EXPECT_FALSE(std::getline(lines, line));
  EXPECT_EQ(npy.size(), static_cast<size_t>(row) * 2 * sizeof(float));
}

TEST_F(EmbedRunTest, StopWritesWhatWasTaken) {
  MakeFiles(1500);
  int asked = 0;
  const StageSummary& summary = Run([&] { return ++asked > 3; });
  EXPECT_TRUE(run_->stopped());
  EXPECT_EQ(summary.images(), 3 * EmbedRun::kChunk);
  const std::string lines = Lines();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 3 * EmbedRun::kChunk);
}

TEST_F(EmbedRunTest, DeviceFailureEndsTheRunBeforeWhatItDidNotCompute) {
  MakeFiles(1500);
  broken_ = true;
  const StageSummary& summary = Run([] { return false; });
  EXPECT_TRUE(run_->stopped());
  EXPECT_TRUE(pipeline_->device_failed());
  EXPECT_LT(summary.images(), 8) << "the fourth file is empty, so that nobody asks the device about it";
  EXPECT_EQ(Lines().find("device_failed"), std::string::npos);
}

TEST_F(EmbedRunTest, CheckpointsAfterSoManyImages) {
  MakeFiles(1500);
  Run([] { return false; }, 100);
  const auto journal = ReadJournal((root_ / "p/journal").string());
  ASSERT_TRUE(journal.ok());
  EXPECT_GE(journal->checkpoints.size(), 8U) << "one for each two chunks";
  EXPECT_LE(journal->checkpoints.size(), 16U);
  EXPECT_EQ(journal->checkpoints.back().lines, 1501);
}

// What a list does whose writer was ended by the same Ctrl-C as we.
class EndsWith : public Source {
 public:
  explicit EndsWith(bool* stop, Status status = {}) : stop_(stop), status_(std::move(status)) {}
  std::optional<Found> Next() override {
    *stop_ = true;
    return std::nullopt;
  }
  Status status() const override { return *stop_ ? status_ : Status::Ok(); }
  const PassedOver& passed_over() const override { return passed_over_; }

 private:
  bool* stop_;
  Status status_;
  PassedOver passed_over_;
};

TEST_F(EmbedRunTest, AnInputThatEndsAsWeAreStoppedIsNotComplete) {
  bool stop = false;
  EndsWith source(&stop);
  RunOver(source, [&] { return stop; });
  EXPECT_TRUE(run_->stopped());
}

TEST_F(EmbedRunTest, AnInputThatBreaksOffIsAnError) {
  bool ended = false;
  EndsWith source(&ended, {Code::kUnavailable, "the disk is gone"});
  auto output = PartialResult::Create((root_ / "q").string(), {}, 2);
  ASSERT_TRUE(output.ok());
  EmbedRun run(*pipeline_, source, **output, {}, {[] { return false; }, [](int64_t, int64_t) {}});
  EXPECT_EQ(run.Run().message(), "the disk is gone");
}

// Kept lines go through without being read or computed.
class Kept : public Source {
 public:
  std::optional<Found> Next() override {
    if (count_ == 1000) return std::nullopt;
    Found found{"kept" + std::to_string(count_), {}};
    found.kept.emplace().embedding = {static_cast<float>(count_++), 1};
    return found;
  }
  const PassedOver& passed_over() const override { return passed_over_; }

 private:
  int count_ = 0;
  PassedOver passed_over_;
};

TEST_F(EmbedRunTest, KeptLinesKeepTheirVectors) {
  Kept source;
  EXPECT_EQ(RunOver(source, [] { return false; }).images(), 1000);
  const std::string npy = Read("p/vectors.npy").substr(128);
  ASSERT_EQ(npy.size(), 1000 * 2 * sizeof(float));
  for (int i = 0; i < 1000; ++i) {
    float value = 0;
    std::memcpy(&value, npy.data() + static_cast<size_t>(i) * 2 * sizeof(float), sizeof(value));
    ASSERT_EQ(value, static_cast<float>(i));
  }
}

TEST(EmbedRun, RequestsInFlightFollowTheSlots) {
  EXPECT_EQ(EmbedRun::UnfinishedFor(1), 2U);
  EXPECT_EQ(EmbedRun::UnfinishedFor(98), 5U);
  EXPECT_EQ(EmbedRun::UnfinishedFor(1'000'000), EmbedRun::kMaxHeld);
}

}  // namespace
}  // namespace photovec::bulk
