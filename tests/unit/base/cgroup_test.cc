// SPDX-License-Identifier: MIT
#include "base/cgroup.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace photovec {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMiB = uint64_t{1} << 20;

/// A /proc and a /sys of the test's own.
class CgroupTest : public testing::Test {
 protected:
  CgroupTest()
      : root_(fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(root_);
  }
  void Write(const std::string& path, const std::string& text) {
    const fs::path file = root_.string() + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  CgroupLimits Read() const { return ReadCgroupLimits(root_.string()); }

  const fs::path root_;
};

TEST_F(CgroupTest, WithoutGroupsThereIsNoLimit) {
  EXPECT_FALSE(Read().memory_bytes.has_value());
  EXPECT_FALSE(Read().cpus.has_value());
}

TEST_F(CgroupTest, Version2TakesTheSmallestOnThePath) {
  Write("/proc/self/cgroup", "0::/system.slice/photovec.service\n");
  Write("/proc/self/mountinfo",
        "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
  Write("/sys/fs/cgroup/system.slice/photovec.service/memory.max", "max\n");
  Write("/sys/fs/cgroup/system.slice/photovec.service/memory.high", "1610612736\n");
  Write("/sys/fs/cgroup/system.slice/photovec.service/cpu.max", "max 100000\n");
  Write("/sys/fs/cgroup/system.slice/memory.max", "4294967296\n");
  Write("/sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n");
  EXPECT_EQ(Read().memory_bytes, 1536 * kMiB);
  EXPECT_EQ(Read().cpus, 1.5) << "of the group around";
  Write("/sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
  EXPECT_EQ(Read().memory_bytes, 1024 * kMiB);
}

TEST_F(CgroupTest, AContainerSeesItsGroupAsTheRoot) {
  Write("/proc/self/cgroup", "0::/\n");
  Write("/proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  Write("/sys/fs/cgroup/memory.max", "536870912\n");
  Write("/sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_EQ(Read().memory_bytes, 512 * kMiB);
  EXPECT_EQ(Read().cpus, 0.5);
}

TEST_F(CgroupTest, Version1HasAHierarchyForEachController) {
  Write("/proc/self/cgroup", "4:memory:/a/b\n2:cpu,cpuacct:/a\n1:name=systemd:/a/b\n0::/\n");
  Write("/proc/self/mountinfo",
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  Write("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
  Write("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1610612736\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "300000\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Read().memory_bytes, 1536 * kMiB);
  EXPECT_EQ(Read().cpus, 3.0);
}

TEST_F(CgroupTest, Version1InAContainerMountsItsOwnGroup) {
  Write("/proc/self/cgroup", "4:memory:/docker/abc\n");
  Write("/proc/self/mountinfo",
        "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("/sys/fs/cgroup/memory/memory.stat", "cache 1\nhierarchical_memory_limit 805306368\nrss 2\n");
  EXPECT_EQ(Read().memory_bytes, 768 * kMiB) << "a limit of a group that the container cannot see";
}

TEST_F(CgroupTest, NamesOfMountsAreUnescaped) {
  Write("/proc/self/cgroup", "0::/x\n");
  Write("/proc/self/mountinfo", "30 20 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n");
  Write("/my groups/x/memory.max", "1048576\n");
  EXPECT_EQ(Read().memory_bytes, kMiB);
}

}  // namespace
}  // namespace photovec
