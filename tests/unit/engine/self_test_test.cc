// SPDX-License-Identifier: MIT
#include "engine/self_test.h"

#include <gtest/gtest.h>

#include <thread>

#include "metrics/names.h"
#include "testing/fake_pipeline.h"

namespace photovec::engine {
namespace {

using std::chrono::seconds;

class SelfTestTest : public ::testing::Test {
 protected:
  SelfTestTest() : self_test_(pipeline_, *registry_, seconds(10)) {}

  double Counted(const char* code) {
    return registry_
        ->GetCounter(metrics::name::kSelfTests, "",
                     {{metrics::label::kModel, model()}, {metrics::label::kCode, code}})
        ->Value();
  }
  std::string model() const { return std::string(pipeline_.models().front().name); }
  /// Looks at that time until the answer that was given is taken.
  bool LookUntilCounted(TimePoint at, const char* code, double count) {
    const Deadline patience = Deadline::After(seconds(10));
    bool works = self_test_.Look(at);
    while (Counted(code) < count && !patience.Expired()) {
      std::this_thread::yield();
      works = self_test_.Look(at);
    }
    EXPECT_EQ(Counted(code), count);
    return works;
  }

  test::FakePipeline pipeline_;
  const std::unique_ptr<metrics::Registry> registry_ = metrics::Registry::Create();
  const TimePoint start_ = Clock::now();
  SelfTest self_test_;
};

TEST_F(SelfTestTest, AnIdleModelIsAskedOncePerInterval) {
  EXPECT_TRUE(self_test_.Look(start_ + seconds(9)));
  EXPECT_FALSE(pipeline_.last_options()) << "warm-up has just run it";
  EXPECT_TRUE(LookUntilCounted(start_ + seconds(11), "ok", 1));
  ASSERT_TRUE(pipeline_.last_options());
  EXPECT_TRUE(pipeline_.last_options()->self_test);
  EXPECT_TRUE(self_test_.Look(start_ + seconds(20)));
  EXPECT_EQ(Counted("ok"), 1);
  EXPECT_TRUE(LookUntilCounted(start_ + seconds(22), "ok", 2));
}

TEST_F(SelfTestTest, TrafficCountsInstead) {
  pipeline_.set_last_encoded(start_ + seconds(15));
  EXPECT_TRUE(self_test_.Look(start_ + seconds(24)));
  EXPECT_FALSE(pipeline_.last_options());
}

TEST_F(SelfTestTest, AModelThatEncodesNothingIsStuckUntilItDoes) {
  pipeline_.set_hold_all(true);
  EXPECT_TRUE(self_test_.Look(start_ + seconds(11)));
  ASSERT_TRUE(pipeline_.WaitForHeld(1));
  EXPECT_TRUE(self_test_.Look(start_ + seconds(20))) << "its time is not over";
  EXPECT_FALSE(self_test_.Look(start_ + seconds(22)));
  EXPECT_FALSE(self_test_.Look(start_ + seconds(100)));
  pipeline_.ReleaseHeld();
  EXPECT_TRUE(LookUntilCounted(start_ + seconds(101), "ok", 1));
}

TEST_F(SelfTestTest, AnotherPhotosVectorProvesThatItIsOnlySlow) {
  pipeline_.set_hold_all(true);
  EXPECT_TRUE(self_test_.Look(start_ + seconds(11)));
  ASSERT_TRUE(pipeline_.WaitForHeld(1));
  pipeline_.set_last_encoded(start_ + seconds(15));
  EXPECT_TRUE(self_test_.Look(start_ + seconds(22)));
}

TEST_F(SelfTestTest, WhatIsNotAnsweredIsTakenBack) {
  pipeline_.set_hold_all(true);
  {
    SelfTest other(pipeline_, *registry_, seconds(10));
    other.Look(Clock::now() + seconds(11));
    ASSERT_TRUE(pipeline_.WaitForHeld(1));
  }
  EXPECT_TRUE(pipeline_.WaitForCancelled(1));
}

/// The model takes texts; what they are told is set.
class TextSelfTestTest : public ::testing::Test {
 protected:
  TextSelfTestTest() { pipeline_.set_text(); }
  bool LookUntilCounted(SelfTest& test, TimePoint at, const char* code) {
    const metrics::Counter* counter = registry_->GetCounter(
        metrics::name::kSelfTests, "", {{metrics::label::kModel, "clip"}, {metrics::label::kCode, code}});
    const double before = counter->Value();
    const Deadline patience = Deadline::After(seconds(10));
    bool works = test.Look(at);
    while (counter->Value() == before && !patience.Expired()) {
      std::this_thread::yield();
      works = test.Look(at);
    }
    EXPECT_GT(counter->Value(), before) << code;
    return works;
  }
  test::FakePipeline pipeline_;
  const std::unique_ptr<metrics::Registry> registry_ = metrics::Registry::Create();
};

TEST_F(TextSelfTestTest, AFailingTextTowerShowsWhateverPhotosDo) {
  SelfTest test(pipeline_, *registry_, seconds(10));
  const TimePoint start = Clock::now();
  EXPECT_TRUE(LookUntilCounted(test, start + seconds(11), "ok"));
  pipeline_.FailTexts(Status(Code::kNanEmbedding, "NaN"));
  EXPECT_FALSE(LookUntilCounted(test, start + seconds(22), "nan_embedding"));
  const TimePoint soon = start + std::chrono::milliseconds(22'500);
  pipeline_.set_last_encoded(soon);
  EXPECT_FALSE(test.Look(soon)) << "photos prove nothing of texts";
  pipeline_.FailTexts(Status::Ok());
  EXPECT_TRUE(LookUntilCounted(test, start + seconds(24), "ok")) << "it is asked again soon, photos or not";
}

}  // namespace
}  // namespace photovec::engine
