// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "unit/pipeline/fixture.h"

namespace photovec::pipeline {
namespace {

using testing::FakeEncoder;
using testing::Photo;
using testing::PipelineFixture;

// Many threads do everything at once; each request must be answered exactly once, with its own results.
class StormTest : public PipelineFixture {
 protected:
  struct Expected {
    std::atomic<int> answers{0};
    std::vector<Code> codes;      // what each image gives when it is not given up
    std::vector<size_t> lengths;  // of its text: the first number of its vector
    std::atomic<bool> may_give_up{false};
  };

  void Check(Expected& expected, const RequestResult& result) {
    ++expected.answers;
    EXPECT_EQ(result.items.size(), expected.codes.size());
    for (size_t i = 0; i < result.items.size(); ++i) {
      const ItemResult& item = result.items[i];
      const Code code = item.status.code();
      const bool given_up = code == Code::kCancelled || code == Code::kDeadlineExceeded;
      if (given_up) {
        EXPECT_TRUE(expected.may_give_up);
      } else {
        EXPECT_EQ(code, expected.codes[i]);
      }
      if (code != Code::kOk) continue;
      ASSERT_EQ(item.embedding.size(), static_cast<size_t>(FakeEncoder::kDim));
      EXPECT_EQ(item.embedding[0], static_cast<float>(expected.lengths[i]));
    }
  }

  void Client(unsigned seed, int requests, std::vector<std::shared_ptr<Expected>>& all) {
    std::mt19937 random(seed);
    const auto chance = [&](unsigned one_in) { return random() % one_in == 0; };
    for (int r = 0; r < requests; ++r) {
      auto expected = std::make_shared<Expected>();
      all.push_back(expected);
      RequestOptions options;
      options.normalize = false;
      options.model = chance(2) ? 0 : 1;
      const bool cancel = chance(5);
      const bool drop = chance(7);
      const bool deadline = chance(6);
      if (deadline) options.deadline = Deadline::After(std::chrono::microseconds(random() % 3000));
      expected->may_give_up = cancel || drop || deadline;
      // Filled before the first image can be answered.
      const size_t images = random() % 20;
      std::vector<std::string> texts;
      for (size_t i = 0; i < images; ++i) {
        const bool bad = chance(9);
        texts.push_back(bad ? (chance(2) ? "corrupt" : "nan") : std::string(1 + random() % 90, 'x'));
        expected->codes.push_back(!bad                ? Code::kOk
                                  : texts[i] == "nan" ? Code::kNanEmbedding
                                                      : Code::kImageCorrupt);
        expected->lengths.push_back(texts[i].size());
      }
      auto opened =
          pipe->Open(options, [this, expected](const RequestResult& result) { Check(*expected, result); });
      ASSERT_TRUE(opened.ok());
      std::unique_ptr<Request> request = std::move(opened).value();
      std::thread canceller;
      for (size_t i = 0; i < images; ++i) {
        if (cancel && i == images / 2) canceller = std::thread([&request = *request] { request.Cancel(); });
        chance(2) ? request->Add(Photo(texts[i])) : request->Add(Reference{texts[i]});
      }
      if (!drop) request->Finish();
      if (canceller.joinable()) canceller.join();
      request.reset();
    }
  }

  void Run(int threads, int requests) {
    std::vector<std::vector<std::shared_ptr<Expected>>> expected(static_cast<size_t>(threads));
    std::vector<std::thread> clients;
    for (int t = 0; t < threads; ++t) {
      clients.emplace_back(
          [&, t] { Client(static_cast<unsigned>(t) + 1, requests, expected[static_cast<size_t>(t)]); });
    }
    for (std::thread& client : clients) client.join();
    pipe->Drain({});
    for (const auto& of_client : expected) {
      for (const auto& request : of_client) EXPECT_EQ(request->answers, 1);
    }
    EXPECT_EQ(pipe->budget().used(), 0U);
    for (const char* queue : {"fetch", "decode", "batch"}) {
      for (const char* model : {"clip", "clip2"}) AwaitGauge(Queue(queue, model), 0);
    }
  }

  void MakeTwo() {
    std::vector<std::unique_ptr<FakeEncoder>> made;
    made.push_back(std::make_unique<FakeEncoder>(4, 2, 2));
    made.push_back(std::make_unique<FakeEncoder>(3, 1, 1));
    Make(std::move(made));
  }
};

TEST_F(StormTest, EveryRequestIsAnsweredExactlyOnce) {
  options.decoders = 3;
  options.decode.limits.max_file_bytes = 1000;
  options.memory_budget_bytes = 8000;  // fetches wait for memory all the time
  MakeTwo();
  fetcher.automatic = true;
  Run(6, 150);
}

TEST_F(StormTest, AlsoWithOneSlotAndOneDecoder) {
  options.decoders = 1;
  options.slots_per_model = 1;
  MakeTwo();
  fetcher.automatic = true;
  Run(4, 80);
}

TEST_F(StormTest, AlsoWithACacheThatIsAlwaysFull) {
  options.decoders = 3;
  options.slots_per_model = 2;
  options.cache_bytes = 4096;  // about 20 of some 180 vectors
  MakeTwo();
  fetcher.automatic = true;
  Run(6, 150);
  EXPECT_GT(registry.Value("photovec_cache_hits_total,model=clip"), 0);
  registry.Sample();
  EXPECT_LE(registry.Value("photovec_cache_bytes"), 4096);
}

TEST_F(StormTest, ThePipelineMayEndInTheMiddleOfIt) {
  for (int round = 0; round < 10; ++round) {
    MakeTwo();
    fetcher.automatic = true;
    std::atomic<int> opened{0};
    std::atomic<int> answered{0};
    std::vector<std::thread> clients;
    std::vector<std::unique_ptr<Request>> open[4];
    for (auto& requests : open) {
      clients.emplace_back([&] {
        for (int r = 0; r < 20; ++r) {
          auto request = pipe->Open({}, [&](const RequestResult&) { ++answered; });
          ASSERT_TRUE(request.ok());
          ++opened;
          for (int i = 0; i < 5; ++i)
            (*request)->Add(i % 2 == 0 ? Source(Photo("a")) : Source(Reference{"b"}));
          if (r % 3 != 0) (*request)->Finish();
          requests.push_back(std::move(*request));
        }
      });
    }
    for (std::thread& client : clients) client.join();
    Destroy();  // images are everywhere, a third of the requests is unfinished
    for (auto& requests : open) requests.clear();
    EXPECT_EQ(answered, opened);
  }
}

}  // namespace
}  // namespace photovec::pipeline
