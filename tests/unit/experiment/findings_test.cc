// SPDX-License-Identifier: MIT
#include "experiment/analyse/findings.h"

#include <gtest/gtest.h>

#include "experiment/report/text.h"
#include "synthetic_data.h"

namespace photovec::experiment {
namespace {

const Finding* Find(const Analysis& analysis, std::string_view key, int variant = -2) {
  for (const Finding& finding : analysis.findings) {
    if (finding.key == key && (variant == -2 || finding.variant == variant)) return &finding;
  }
  return nullptr;
}

std::string English(const Finding& finding) { return FindingText(finding, Language::kEnglish); }

struct SlowStage {
  const char* what;
  double SyntheticSpec::*stage;
  const char* finding;
  const char* names;  // stands in the sentence
  const char* next;
};
void PrintTo(const SlowStage& slow, std::ostream* out) { *out << slow.what; }

class WallFinding : public testing::TestWithParam<SlowStage> {};

TEST_P(WallFinding, NamesTheStageThatWasMadeSlow) {
  SyntheticSpec spec;
  spec.*GetParam().stage = 400;
  const Analysis analysis = Analyse(MakeSyntheticData({spec}));
  const Finding* wall = Find(analysis, GetParam().finding);
  ASSERT_NE(wall, nullptr);
  EXPECT_EQ(English(*wall).find(std::string("streams=1: ") + GetParam().names), 0U) << English(*wall);
  for (const Finding& finding : analysis.findings) {
    EXPECT_TRUE(!finding.key.starts_with("wall_") || &finding == wall) << finding.key;
  }
  EXPECT_NE(Find(analysis, GetParam().next), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Stages, WallFinding,
                         testing::Values(SlowStage{"admit_wait", &SyntheticSpec::admit_wait, "wall_store",
                                                   "image load is the wall", "next_store"},
                                         SlowStage{"fetch", &SyntheticSpec::fetch, "wall_store",
                                                   "image load is the wall", "next_store"},
                                         SlowStage{"decode_wait", &SyntheticSpec::decode_wait, "wall_decode",
                                                   "decode is the wall", "next_decoders"},
                                         SlowStage{"decode", &SyntheticSpec::decode, "wall_decode",
                                                   "decode is the wall", "next_decoders"},
                                         SlowStage{"preprocess", &SyntheticSpec::preprocess,
                                                   "wall_preprocess", "preprocess is the wall",
                                                   "next_decoders"},
                                         SlowStage{"batch_wait", &SyntheticSpec::batch_wait, "wall_encoder",
                                                   "encode is the wall", "next_encoder_room"},
                                         SlowStage{"encode", &SyntheticSpec::encode, "wall_encoder",
                                                   "encode is the wall", "next_encoder_streams_full"}),
                         [](const auto& info) { return info.param.what; });

TEST(Findings, SayWhatIsWaitedForAndHowLong) {
  SyntheticSpec spec;
  spec.spread = 0;
  spec.decode_wait = 300;
  const Analysis analysis = Analyse(MakeSyntheticData({spec}));
  const std::string text = English(*Find(analysis, "wall_decode"));
  EXPECT_NE(text.find("waits 300.5 ms for a free decoder"), std::string::npos) << text;
  EXPECT_NE(text.find("310.5 of 401.5 ms"), std::string::npos)
      << "300 + 8 + 2 of all, and the 0.5 for a download slot, since those who hold one wait too: " << text;
}

TEST(Findings, AWaitCountsToWhatIsFullBehindIt) {
  VariantFacts facts;
  facts.path = {{"admit_wait", 500}, {"fetch", 60}, {"decode_wait", 300}, {"decode", 5}, {"encode", 20}};
  facts.path_total_ms = 885;
  facts.decoders_busy = 0.5;
  facts.streams_busy = 0.97;
  facts.loading_share =
      0.2;  // whoever holds a download slot mostly waits to be decoded, and that for the encoder
  const WallShare encoder = FindWall(facts);
  EXPECT_EQ(encoder.wall, Wall::kEncoder);
  EXPECT_DOUBLE_EQ(encoder.wait_ms, 800);
  facts.streams_busy = 0.3;
  facts.decoders_busy = 0.98;
  EXPECT_EQ(FindWall(facts).wall, Wall::kDecoders);
  facts.loading_share = 0.9;  // the slots are full of downloads
  const WallShare store = FindWall(facts);
  EXPECT_EQ(store.wall, Wall::kStore);
  EXPECT_DOUBLE_EQ(store.wait_ms, 500);
  facts.machine_cpu = 0.99;  // more downloads at once would only wait for the CPU
  EXPECT_EQ(FindWall(facts).wall, Wall::kDecoders);
}

TEST(Findings, AServerThatWaitsForItsSlowestImageIsToldSo) {
  VariantFacts facts;
  facts.path = {{"load_decode", 600}, {"preprocess", 100}, {"embed", 200}, {"other", 10}};
  facts.path_total_ms = 910;
  EXPECT_EQ(FindWall(facts).wall, Wall::kLoadDecode);
  facts.path = {{"load_decode", 60}, {"preprocess", 100}, {"embed", 20}, {"other", 1000}};
  EXPECT_EQ(FindWall(facts).wall, Wall::kPreprocess);
  EXPECT_EQ(FindWall(VariantFacts{}).wall, Wall::kNone);
}

TEST(Findings, ADifferenceIsNamedAndSameRunsShowNone) {
  SyntheticSpec one;
  one.requests = 200;
  SyntheticSpec same = one;
  same.name = "same";
  SyntheticSpec faster = one;
  faster.name = "faster";
  faster.fetch = 30;
  faster.seed = 3;
  const Analysis analysis = Analyse(MakeSyntheticData({one, same, faster}));
  EXPECT_EQ(Find(analysis, "differs", 1), nullptr) << English(*Find(analysis, "differs", 1));
  ASSERT_NE(Find(analysis, "same", 1), nullptr);
  ASSERT_NE(Find(analysis, "differs", 2), nullptr);
  EXPECT_NE(English(*Find(analysis, "differs", 2)).find("image load \xE2\x80\x93"), std::string::npos);
  EXPECT_EQ(analysis.findings[0].key, "headline_better");
  EXPECT_EQ(English(analysis.findings[0]).find("faster is fastest"), 0U) << English(analysis.findings[0]);
}

TEST(Findings, TheFirstVariantMayBeTheBest) {
  SyntheticSpec one;
  SyntheticSpec slow = one;
  slow.name = "slow";
  slow.fetch = 300;
  slow.seed = 4;
  const Analysis analysis = Analyse(MakeSyntheticData({one, slow}));
  EXPECT_EQ(analysis.findings[0].key, "headline_first");
}

TEST(Findings, TellWhatIsFull) {
  SyntheticSpec spec;
  spec.machine_cpu = 0.97;
  spec.gpu = 0.5;
  spec.encode = 2'000;  // 60 requests of it in 30 s: always one in flight
  const Analysis analysis = Analyse(MakeSyntheticData({spec}));
  ASSERT_NE(Find(analysis, "use_mixed"), nullptr);
  const std::string text = English(*Find(analysis, "use_mixed"));
  EXPECT_NE(text.find("full: machine CPU 9"), std::string::npos) << text;
  EXPECT_NE(text.find("streams busy 100.0%; with room: GPU "), std::string::npos) << text;
  EXPECT_NE(Find(analysis, "next_encoder_full"), nullptr);
}

TEST(Findings, FailuresAreCountedAndKeptOutOfLatencies) {
  SyntheticSpec spec;
  spec.failed_requests = 4;
  spec.failed_images = 3;
  const Analysis analysis = Analyse(MakeSyntheticData({spec}));
  const Finding* failures = Find(analysis, "failures");
  ASSERT_NE(failures, nullptr);
  EXPECT_EQ(failures->kind, Finding::Kind::kBad);
  EXPECT_EQ(English(*failures),
            "streams=1: 12 of 180 requests and 153 of 2,160 images failed; latencies leave them out.");
  EXPECT_LT(FindRow(analysis.stages[2], "http_total")->cells[0].value, 1'000);
  EXPECT_EQ(FindRow(analysis.stages[0], "encode")->cells[0].samples, (180U - 12U) * 12U - 9U);
}

TEST(Findings, AHeavyGeneratorANoisyMachineAndALaggingLoopAreWarnedOf) {
  SyntheticSpec spec;
  ExperimentData data = MakeSyntheticData({spec});
  EXPECT_EQ(Find(Analyse(data), "generator_heavy"), nullptr);
  EXPECT_EQ(Find(Analyse(data), "noisy"), nullptr);
  EXPECT_EQ(Find(Analyse(data), "loop_lag"), nullptr);
  for (struct Run& run : data.variants[0].runs) run.load_cpu_seconds = 0.11 * 2 * run.seconds;
  for (request_log::Record& request : data.variants[0].runs[1].requests) {
    // Everything happens later by as long as it takes, and nothing says what was done before.
    const int64_t late_us = request.total_us;
    request.total_us += late_us;
    request.opened_us += late_us;
    request.finished_us += late_us;
    for (request_log::ItemRecord& item : request.items) {
      for (int64_t& at : item.at_us) at += at >= 0 ? late_us : 0;
    }
  }
  data.variants[0].runs[2].loop_lag.p99_ms = 25;
  const Analysis analysis = Analyse(data);
  EXPECT_NE(Find(analysis, "generator_heavy"), nullptr);
  EXPECT_NE(Find(analysis, "noisy"), nullptr);
  EXPECT_NE(Find(analysis, "loop_lag"), nullptr);
  EXPECT_NE(Find(analysis, "unaccounted"), nullptr) << "a third of that run's total is explained by nothing";
}

TEST(Findings, RunsThatFailedAndVariantsWithoutOneAreNamed) {
  SyntheticSpec one;
  SyntheticSpec two;
  two.name = "streams=2";
  ExperimentData data = MakeSyntheticData({one, two});
  for (struct Run& run : data.variants[1].runs) run.failure = "the server exited with code 70";
  data.interrupted = true;
  const Analysis analysis = Analyse(data);
  ASSERT_NE(Find(analysis, "run_failed", 1), nullptr);
  EXPECT_NE(English(*Find(analysis, "run_failed", 1)).find("code 70"), std::string::npos);
  EXPECT_NE(Find(analysis, "no_run", 1), nullptr);
  EXPECT_NE(Find(analysis, "interrupted"), nullptr);
  EXPECT_EQ(analysis.findings[0].key, "headline_single");
}

TEST(Findings, OneRepetitionIsSaid) {
  SyntheticSpec spec;
  EXPECT_EQ(Find(Analyse(MakeSyntheticData({spec})), "one_repetition"), nullptr);
  spec.repetitions = 1;
  EXPECT_NE(Find(Analyse(MakeSyntheticData({spec})), "one_repetition"), nullptr);
}

TEST(Findings, OfNothingSaySo) { EXPECT_EQ(Analyse(ExperimentData{}).findings[0].key, "headline_none"); }

TEST(Findings, HaveASentenceInBothLanguages) {
  const Analysis analysis = Analyse(MakeShowcase());
  for (const Finding& finding : analysis.findings) {
    EXPECT_TRUE(HasText("finding_" + finding.key)) << finding.key;
    for (const Language language : {Language::kEnglish, Language::kKorean}) {
      const std::string text = FindingText(finding, language);
      EXPECT_EQ(text.find_first_of("{}$"), std::string::npos) << text;
    }
  }
}

}  // namespace
}  // namespace photovec::experiment
