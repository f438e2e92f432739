// SPDX-License-Identifier: MIT
#include "engine/slow_stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/deadline.h"

namespace photovec::engine {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr milliseconds kDelay{20};

// Answers at once, on the calling thread, with the reference as bytes.
class EchoFetcher : public fetch::Fetcher {
 public:
  void Fetch(fetch::FetchRequest request, fetch::FetchCallback done) override {
    done(Bytes::Own(std::move(request.reference)));
  }
};

class EmptyDecoder : public decode::Decoder {
 public:
  Result<decode::DecodeReport> Decode(const decode::DecodeJob&) override {
    decode::DecodeReport report;
    report.width = 7;
    return report;
  }
};

// One stream; the ticket says how many images there were.
class EmptyEncoder : public encode::Encoder, public encode::EncoderStream {
 public:
  EmptyEncoder() { info_.backend = "empty"; }
  const encode::EncoderInfo& info() const override { return info_; }
  int stream_count() const override { return 1; }
  encode::EncoderStream& stream(int) override { return *this; }
  Status Warmup() override { return Status::Ok(); }
  Result<encode::Ticket> Submit(std::span<const PixelSlot> slots, std::span<float>) override {
    return encode::Ticket{slots.size()};
  }
  Status Wait(encode::Ticket ticket) override {
    return ticket.id == 3 ? Status(Code::kDeviceFailed, "three") : Status::Ok();
  }
  int depth() const override { return 2; }

 private:
  encode::EncoderInfo info_;
};

TEST(SlowStages, ParsesEachStage) {
  const auto all = ParseSlowStages("fetch=50ms,decode=20ms,encode=30ms");
  ASSERT_TRUE(all.ok()) << all.status().ToString();
  EXPECT_EQ(all->fetch, milliseconds(50));
  EXPECT_EQ(all->decode, milliseconds(20));
  EXPECT_EQ(all->encode, milliseconds(30));
  const auto one = ParseSlowStages("decode=60000ms");
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->fetch, milliseconds(0));
  EXPECT_EQ(one->decode, milliseconds(60'000));
  EXPECT_EQ(ParseSlowStages("")->encode, milliseconds(0));
}

TEST(SlowStages, MalformedValuesSayWhatIsAccepted) {
  for (const std::string text :
       {"decode", "decode=", "decode=20", "decode=20s", "decode=-1ms", "decode=0ms", "decode=60001ms",
        "decode= 20ms", "decode=2.5ms", "resize=20ms", "=20ms", ",", "decode=1ms,decode=2ms",
        "fetch=1ms, decode=2ms", "decode=99999999999ms"}) {
    const auto parsed = ParseSlowStages(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().code(), Code::kInvalidRequest);
    EXPECT_THAT(parsed.status().message(), HasSubstr("PHOTOVEC_TEST_SLEEP: '"));
    EXPECT_THAT(parsed.status().message(), HasSubstr("fetch=50ms, decode=20ms and encode=30ms"));
  }
}

TEST(SlowStages, NoDelayChangesNothing) {
  auto fetcher = std::make_unique<EchoFetcher>();
  const fetch::Fetcher* raw = fetcher.get();
  EXPECT_EQ(SlowDown(std::unique_ptr<fetch::Fetcher>(std::move(fetcher)), milliseconds(0)).get(), raw);
  auto encoder = std::make_unique<EmptyEncoder>();
  const encode::Encoder* raw_encoder = encoder.get();
  EXPECT_EQ(SlowDown(std::unique_ptr<encode::Encoder>(std::move(encoder)), milliseconds(0)).get(),
            raw_encoder);
}

TEST(SlowStages, FetchesAreDelayedSideBySideAndBlockNobody) {
  constexpr int kFetches = 50;
  auto slow = SlowDown(std::unique_ptr<fetch::Fetcher>(std::make_unique<EchoFetcher>()), kDelay);
  std::vector<std::promise<std::pair<std::string, TimePoint>>> answers(kFetches);
  const TimePoint begin = Clock::now();
  std::vector<TimePoint> asked;
  for (int i = 0; i < kFetches; ++i) {
    asked.push_back(Clock::now());
    fetch::FetchRequest request;
    request.reference = std::to_string(i);
    slow->Fetch(std::move(request), [&answers, i](Result<Bytes> bytes) {
      const auto view = bytes->view();
      answers[static_cast<size_t>(i)].set_value({std::string(view.begin(), view.end()), Clock::now()});
    });
  }
  TimePoint last;
  for (int i = 0; i < kFetches; ++i) {
    const auto [text, at] = answers[static_cast<size_t>(i)].get_future().get();
    EXPECT_EQ(text, std::to_string(i));
    EXPECT_GE(at - asked[static_cast<size_t>(i)], kDelay);
    last = at;
  }
  EXPECT_LT(last - begin, kFetches * kDelay) << "one after the other they would take as long as that";
}

TEST(SlowStages, EveryFetchIsAnsweredWhenTheFetcherGoes) {
  int answered = 0;
  {
    auto slow =
        SlowDown(std::unique_ptr<fetch::Fetcher>(std::make_unique<EchoFetcher>()), milliseconds(60'000));
    for (int i = 0; i < 3; ++i) slow->Fetch({}, [&answered](const Result<Bytes>&) { ++answered; });
  }
  EXPECT_EQ(answered, 3);
}

TEST(SlowStages, EachDecodeSleepsInItsWorker) {
  const auto factory = SlowDown([] { return std::make_unique<EmptyDecoder>(); }, kDelay);
  const auto decoder = factory();
  const TimePoint begin = Clock::now();
  const auto report = decoder->Decode({});
  EXPECT_GE(Clock::now() - begin, kDelay);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->width, 7);
}

TEST(SlowStages, EachBatchSleepsInWaitAndKeepsItsResult) {
  const auto slow = SlowDown(std::unique_ptr<encode::Encoder>(std::make_unique<EmptyEncoder>()), kDelay);
  EXPECT_EQ(slow->info().backend, "empty");
  ASSERT_EQ(slow->stream_count(), 1);
  EXPECT_EQ(slow->stream(0).depth(), 2);
  const std::vector<PixelSlot> slots(3);
  for (const size_t count : {2U, 3U}) {
    const auto ticket = slow->stream(0).Submit(std::span(slots).first(count), {});
    ASSERT_TRUE(ticket.ok());
    const TimePoint begin = Clock::now();
    EXPECT_EQ(slow->stream(0).Wait(*ticket).code(), count == 3 ? Code::kDeviceFailed : Code::kOk);
    EXPECT_GE(Clock::now() - begin, kDelay);
  }
}

}  // namespace
}  // namespace photovec::engine
