// SPDX-License-Identifier: MIT
// base/stage_times.h says which stages follow each other. Files in other languages repeat it: they must
// agree.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

#include "base/stage_times.h"
#include "experiment/report/json_columns.h"

namespace photovec::experiment {
namespace {

std::vector<std::string> StageNames() {
  std::vector<std::string> names;
  for (int i = 0; i < kStageCount; ++i) names.emplace_back(StageName(static_cast<Stage>(i)));
  return names;
}

/// The first kStageCount strings of the list that follows `beginning` in a file of the repository.
std::vector<std::string> ListIn(const std::string& file, const std::string& beginning) {
  std::ifstream stream(std::filesystem::path(PHOTOVEC_TEST_DATA).parent_path().parent_path() / file);
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  const size_t at = text.find(beginning);
  EXPECT_NE(at, std::string::npos) << file << " has no " << beginning;
  std::vector<std::string> names;
  if (at == std::string::npos) return names;
  const std::string list = text.substr(at, text.find(']', at) - at);
  const std::regex quoted("\"([a-z_]+)\"");
  for (std::sregex_iterator found(list.begin(), list.end(), quoted), end;
       found != end && names.size() < static_cast<size_t>(kStageCount); ++found) {
    names.push_back((*found)[1].str());
  }
  return names;
}

TEST(StageOrder, IsTheSameInEveryLanguage) {
  EXPECT_EQ(ListIn("src/api/dashboard.html", "const ORDER = ["), StageNames());
  EXPECT_EQ(ListIn("bench/photovec_client.py", "STAGES = ["), StageNames());
}

// The columns are found by the number of the border.
TEST(StageOrder, ReportColumnsOfBordersStandAsTheBordersDo) {
  const auto column = [](Border border) { return kBorderColumns[static_cast<size_t>(border)]; };
  EXPECT_EQ(column(Border::kAdmitted), "at_admitted_us");
  EXPECT_EQ(column(Border::kFetchStart), "at_fetch_start_us");
  EXPECT_EQ(column(Border::kFetchEnd), "at_fetch_end_us");
  EXPECT_EQ(column(Border::kDecodeStart), "at_decode_start_us");
  EXPECT_EQ(column(Border::kDecodeEnd), "at_decode_end_us");
  EXPECT_EQ(column(Border::kPreprocessEnd), "at_preprocess_end_us");
  EXPECT_EQ(column(Border::kEncodeStart), "at_encode_start_us");
  EXPECT_EQ(column(Border::kEncodeEnd), "at_encode_end_us");
  EXPECT_EQ(column(Border::kCollected), "at_collected_us");
}

}  // namespace
}  // namespace photovec::experiment
