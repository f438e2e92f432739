// SPDX-License-Identifier: MIT
#include "bench/table.h"

#include <gtest/gtest.h>

#include <limits>

namespace photovec::bench {
namespace {

TEST(Table, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({{"name", 0, "", true}, {"img/s", 1}, {"CPU", 0, "%"}, {"batch"}}, 2);
  table.AddRow({"a", 1234.56, 99.6, 8});
  table.AddRow({"a longer one", 7.0, "-"});
  table.AddRow({"none"}, "not measured: no such device, nor any other");
  EXPECT_EQ(table.Text(),
            "  name           img/s   CPU  batch\n"
            "  a             1234.6  100%      8\n"
            "  a longer one     7.0     -\n"
            "  none          not measured: no such device, nor any other\n");
}

TEST(Table, Numbers) {
  EXPECT_EQ(Fixed(3.14159, 2), "3.14");
  EXPECT_EQ(Fixed(std::numeric_limits<double>::infinity(), 2), "-");
  EXPECT_EQ(Significant(391.256, 4), "391.3");
  EXPECT_EQ(Significant(1234567.0, 5), "1.2346e+06");
  EXPECT_EQ(Significant(std::numeric_limits<double>::quiet_NaN(), 4), "null");
}

}  // namespace
}  // namespace photovec::bench
