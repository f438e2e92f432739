// SPDX-License-Identifier: MIT
#include "fetch/local/file_fetcher.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "fetch/make_fetcher.h"
#include "unit/fetch/fetch_probe.h"

namespace photovec::fetch {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// A folder with photos in it and a secret beside it.
class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "photovec-fetch-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
    root_ = base_ / "photos";
    fs::create_directories(root_ / "sub");
    Write(root_ / "cat.jpg", "cat");
    Write(root_ / "sub/dog.jpg", "dog");
    Write(base_ / "secret.txt", "secret");
    Write(base_ / "photos-private", "secret");  // begins as the root does
  }
  void TearDown() override { fs::remove_all(base_); }

  static void Write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }
  std::unique_ptr<Fetcher> MakeFiles(FetchOptions options = {}) const {
    options.image_root = root_.string();
    return MakeFetcher(options).value();
  }

  fs::path base_;
  fs::path root_;
};

/// The same rules, by openat2 and by our own walk.
class BeneathTest : public FileTest, public testing::WithParamInterface<BeneathRoot::Method> {
 protected:
  std::string Open(const std::string& relative) const {
    const auto root = BeneathRoot::Open(root_.string(), GetParam());
    const auto file = root->OpenFile(relative);
    if (!file.ok()) return std::string(file.status().name());
    const auto bytes = ReadRegularFile(file->get(), 100, [] { return Status::Ok(); });
    return bytes.ok() ? Outcome(bytes) : std::string(bytes.status().name());
  }
};

TEST_P(BeneathTest, OpensWhatLiesBelow) {
  EXPECT_EQ(Open("cat.jpg"), "ok:cat");
  EXPECT_EQ(Open("sub/dog.jpg"), "ok:dog");
  EXPECT_EQ(Open("./sub//dog.jpg"), "ok:dog");
  EXPECT_EQ(Open("missing.jpg"), "not_found");
  EXPECT_EQ(Open("missing/cat.jpg"), "not_found");
  EXPECT_EQ(Open("cat.jpg/x"), "not_found");
  EXPECT_EQ(Open(std::string(5000, 'x')), "invalid_request");
  EXPECT_EQ(Open(std::string(300, 'x')), "invalid_request");
}

TEST_P(BeneathTest, NothingLeadsOut) {
  fs::create_symlink(base_ / "secret.txt", root_ / "absolute");
  fs::create_symlink("../secret.txt", root_ / "relative");
  fs::create_symlink("..", root_ / "up");
  fs::create_symlink("/", root_ / "slash");
  fs::create_symlink("loop", root_ / "loop");
  fs::create_symlink("/proc/self/root", root_ / "magic");
  fs::create_symlink("/dev/zero", root_ / "zero");
  for (const char* name : {"../secret.txt", "../photos/cat.jpg", "sub/../../secret.txt", "..", "../nowhere",
                           "absolute", "relative", "up/secret.txt", "up/nowhere", "slash/etc/passwd", "loop",
                           "magic/etc/passwd", "zero", "sub/../../../../../../etc/passwd", ".", "sub"}) {
    EXPECT_EQ(Open(name), "source_not_allowed") << name;
  }
}

TEST_P(BeneathTest, LinksThatStayInsideWorkWhenTheKernelWalks) {
  fs::create_symlink("sub/dog.jpg", root_ / "inside");
  fs::create_symlink("../cat.jpg", root_ / "sub/up-but-inside");
  const bool kernel =
      BeneathRoot::Open(root_.string(), GetParam()).value().method() == BeneathRoot::Method::kAuto;
  EXPECT_EQ(Open("inside"), kernel ? "ok:dog" : "source_not_allowed");
  EXPECT_EQ(Open("sub/up-but-inside"), kernel ? "ok:cat" : "source_not_allowed");
  EXPECT_EQ(Open("sub/../cat.jpg"), kernel ? "ok:cat" : "source_not_allowed");
}

TEST_P(BeneathTest, OnlyRegularFilesAndNoHanging) {
  ASSERT_EQ(mkfifo((root_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(Open("fifo"), "source_not_allowed");  // would hang here without O_NONBLOCK
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (root_ / "socket").string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(Open("socket"), "source_not_allowed");
  close(fd);
}

INSTANTIATE_TEST_SUITE_P(Methods, BeneathTest,
                         testing::Values(BeneathRoot::Method::kAuto, BeneathRoot::Method::kWalk),
                         [](const auto& info) {
                           return info.param == BeneathRoot::Method::kAuto ? "Kernel" : "Walk";
                         });

TEST_F(FileTest, NamesAndUrls) {
  Write(root_ / "a b%41?#.jpg", "odd");
  Write(root_ / "caf\xc3\xa9.jpg", "cafe");
  Write(root_ / "c:d.jpg", "colon");
  const auto fetcher = MakeFiles();
  const std::string root = root_.string();
  EXPECT_EQ(FetchNow(*fetcher, "cat.jpg"), "ok:cat");
  EXPECT_EQ(FetchNow(*fetcher, "a b%41?#.jpg"), "ok:odd");  // a bare name is taken as it is
  EXPECT_EQ(FetchNow(*fetcher, "caf\xc3\xa9.jpg"), "ok:cafe");
  EXPECT_EQ(FetchNow(*fetcher, "c:d.jpg"), "ok:colon");
  EXPECT_EQ(FetchNow(*fetcher, root + "/cat.jpg"), "ok:cat");
  EXPECT_EQ(FetchNow(*fetcher, "file://" + root + "/cat.jpg"), "ok:cat");
  EXPECT_EQ(FetchNow(*fetcher, "FILE://localhost" + root + "//cat.jpg"), "ok:cat");
  EXPECT_EQ(FetchNow(*fetcher, "file:" + root + "/cat.jpg"), "ok:cat");
  EXPECT_EQ(FetchNow(*fetcher, "file://" + root + "/a%20b%2541%3F%23.jpg"), "ok:odd");
  EXPECT_EQ(FetchNow(*fetcher, "file://" + root + "/caf%C3%A9.jpg"), "ok:cafe");
}

TEST_F(FileTest, NamesThatAreRefused) {
  const auto fetcher = MakeFiles();
  const std::string root = root_.string();
  for (const std::string& name : {
           std::string("/etc/passwd"),
           std::string("file:///etc/passwd"),
           base_.string() + "/secret.txt",
           base_.string() + "/photos-private",
           std::string("../secret.txt"),
           "file://" + root + "/../secret.txt",
           "file://" + root + "/%2e%2e/secret.txt",
           "file://" + root + "/%2e%2e%2fsecret.txt",
           std::string("file://evil.example/") + root + "/cat.jpg",
           root,
           "file://" + root + "/",
       }) {
    EXPECT_THAT(FetchNow(*fetcher, name), StartsWith("source_not_allowed: ")) << name;
  }
  for (const std::string& name :
       {std::string("cat.jpg\0.png", 12), "file://" + root + "/cat.jpg%00", "file://" + root + "/cat.jpg?x=1",
        "file://" + root + "/cat.jpg#x", "file://" + root + "/%zz", std::string("file:cat.jpg"),
        std::string("file://"), std::string("file:"), std::string()}) {
    EXPECT_THAT(FetchNow(*fetcher, name), StartsWith("invalid_request: ")) << name;
  }
  EXPECT_EQ(FetchNow(*fetcher, "nothing.jpg"), "not_found: file 'nothing.jpg': there is no such file");
}

TEST_F(FileTest, AnEscapeTellsNotWhetherItsTargetExists) {
  const auto fetcher = MakeFiles();
  const auto reason = [&](const std::string& name) {
    const std::string text = FetchNow(*fetcher, name);
    return text.substr(text.rfind("': ") + 2);
  };
  EXPECT_EQ(reason("../secret.txt"), reason("../nothing.txt"));
  EXPECT_EQ(reason("/etc/passwd"), reason("/etc/nothing"));
}

TEST_F(FileTest, TheRootItselfMayBeNamedThroughALink) {
  fs::create_symlink(root_, base_ / "link");
  FetchOptions options;
  options.image_root = (base_ / "link/").string();
  const auto fetcher = MakeFetcher(options).value();
  EXPECT_EQ(FetchNow(*fetcher, "cat.jpg"), "ok:cat");
  EXPECT_EQ(FetchNow(*fetcher, (base_ / "link/cat.jpg").string()), "ok:cat");
  EXPECT_EQ(FetchNow(*fetcher, (root_ / "cat.jpg").string()), "ok:cat");
}

TEST_F(FileTest, DevicesAreNotRead) {
  FetchOptions options;
  options.image_root = "/dev";
  const auto fetcher = MakeFetcher(options).value();
  EXPECT_THAT(FetchNow(*fetcher, "zero"), StartsWith("source_not_allowed: "));
  EXPECT_THAT(FetchNow(*fetcher, "null"), StartsWith("source_not_allowed: "));
}

TEST_F(FileTest, SizesAroundTheCap) {
  Write(root_ / "at", std::string(1000, 'x'));
  Write(root_ / "over", std::string(1001, 'x'));
  Write(root_ / "empty", "");
  fs::resize_file(root_ / "empty", 0);
  Write(root_ / "sparse", "");
  fs::resize_file(root_ / "sparse", uint64_t{1} << 40);  // a terabyte that would never fit in memory
  FetchOptions options;
  options.max_bytes = 1000;
  const auto fetcher = MakeFiles(options);
  EXPECT_EQ(FetchNow(*fetcher, "at").size(), 3U + 1000U);
  EXPECT_EQ(FetchNow(*fetcher, "empty"), "ok:");
  EXPECT_THAT(FetchNow(*fetcher, "over"), StartsWith("body_too_large: file 'over': "));
  EXPECT_THAT(FetchNow(*fetcher, "sparse"), StartsWith("body_too_large: "));
  // A request may ask for less than the server allows, not for more.
  EXPECT_EQ(Probe(*fetcher, FetchRequest{.reference = "at", .max_bytes = 999}).Get().status().code(),
            Code::kBodyTooLarge);
  EXPECT_EQ(Probe(*fetcher, FetchRequest{.reference = "over", .max_bytes = 5000}).Get().status().code(),
            Code::kBodyTooLarge);
}

TEST_F(FileTest, AFileThatChangesWhileItIsReadIsAnError) {
  const std::string path = (root_ / "big").string();
  const auto read_while = [&](const std::function<void()>& change) {
    Write(path, std::string(3 << 20, 'x'));
    const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    int chunk = 0;
    return ReadRegularFile(fd.get(), 10 << 20, [&] {
      if (++chunk == 2) change();  // the first megabyte has been read
      return Status::Ok();
    });
  };
  EXPECT_EQ(read_while([] {}).value().size(), size_t{3} << 20);
  EXPECT_EQ(read_while([&] { fs::resize_file(path, 1000); }).status().code(), Code::kSourceChanged);
  EXPECT_EQ(read_while([&] { std::ofstream(path, std::ios::app) << "more"; }).status().code(),
            Code::kSourceChanged);
  EXPECT_EQ(read_while([&] {
              const timespec past[2] = {{1, 0}, {1, 0}};  // as if it had been rewritten in place
              ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), past, 0), 0);
            })
                .status()
                .code(),
            Code::kSourceChanged);
}

TEST_F(FileTest, ReadingStopsWhenNobodyWantsItAnyMore) {
  Write(root_ / "big", std::string(3 << 20, 'x'));
  const FileDescriptor fd(open((root_ / "big").c_str(), O_RDONLY | O_CLOEXEC));
  int asked = 0;
  const auto bytes = ReadRegularFile(
      fd.get(), 10 << 20, [&] { return ++asked == 2 ? Status(Code::kCancelled, "gone") : Status::Ok(); });
  EXPECT_EQ(bytes.status().code(), Code::kCancelled);
  EXPECT_EQ(asked, 2);

  const auto fetcher = MakeFiles();
  const auto cancel = std::make_shared<CancelFlag>();
  cancel->Cancel();
  EXPECT_EQ(Probe(*fetcher, FetchRequest{.reference = "cat.jpg", .cancel = cancel}).Get().status().code(),
            Code::kCancelled);
  EXPECT_EQ(Probe(*fetcher, FetchRequest{.reference = "cat.jpg", .deadline = Deadline(Clock::now())})
                .Get()
                .status()
                .code(),
            Code::kDeadlineExceeded);
}

TEST(FetchPool, AFullQueueRefusesAndDestructionCancels) {
  std::promise<void> release;
  std::promise<void> started;
  std::optional<FetchPool> pool(std::in_place, 1, 1);
  const auto post = [&](FetchPool::Work work) {
    auto outcome = std::make_shared<std::promise<std::string>>();
    pool->Post(
        {}, [outcome](Result<Bytes> result) { outcome->set_value(Outcome(result)); }, std::move(work));
    return outcome->get_future();
  };
  auto running = post([&](const FetchRequest&) -> Result<Bytes> {
    started.set_value();
    release.get_future().get();
    return Bytes::Own(std::string("done"));
  });
  started.get_future().get();
  auto waiting = post([](const FetchRequest&) -> Result<Bytes> { return Bytes(); });
  auto refused = post([](const FetchRequest&) -> Result<Bytes> { return Bytes(); });
  EXPECT_THAT(refused.get(), StartsWith("overloaded: "));
  EXPECT_EQ(pool->waiting(), 1U);
  std::thread destroyer([&] { pool.reset(); });
  release.set_value();
  destroyer.join();
  EXPECT_EQ(running.get(), "ok:done");
  EXPECT_EQ(waiting.wait_for(std::chrono::seconds(0)), std::future_status::ready);
}

}  // namespace
}  // namespace photovec::fetch
