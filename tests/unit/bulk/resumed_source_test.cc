// SPDX-License-Identifier: MIT
#include "bulk/resumed_source.h"

#include <gmock/gmock.h>

#include <vector>

#include "bulk/list_source.h"
#include "bulk/partial_result.h"
#include "bulk/walker.h"
#include "unit/bulk/temporary_folder.h"

namespace photovec::bulk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ResumedSourceTest : public FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    for (const char* name : {"d/a.jpg", "d/b/1.jpg", "d/b/2.jpg", "d/c.jpg", "e/a.jpg", "e/z.jpg"})
      Write(name, name);
    Open();
  }
  void Open() {
    walker_ = std::make_unique<PathWalker>(std::vector{Path("d"), Path("e"), Path("gone")}, false);
  }

  // An earlier run that came so far; each row is the file's number.
  void Done(Source& source, int lines) {
    auto partial = PartialResult::Create(Path("p"), {}, 1);
    ASSERT_TRUE(partial.ok());
    for (int i = 0; i < lines; ++i) {
      const auto found = source.Next();
      ASSERT_TRUE(found);
      pipeline::ItemResult result;
      result.embedding = {static_cast<float>(i)};
      result.status = found->status;
      ASSERT_TRUE((*partial)->Add(*found, result).ok());
    }
    ASSERT_TRUE((*partial)->SaveCheckpoint(0).ok());
  }
  // "name" for what is to be embedded, "name=row" for what was kept.
  std::vector<std::string> Rest(ResumedSource& source) const {
    std::vector<std::string> names;
    while (const auto found = source.Next()) {
      std::string name = found->path.starts_with(root_.string())
                             ? found->path.substr(root_.string().size() + 1)
                             : found->path;
      if (found->kept) name += "=" + std::to_string(static_cast<int>(found->kept->embedding.at(0)));
      names.push_back(name);
    }
    return names;
  }
  std::unique_ptr<PathWalker> walker_;
};

TEST_F(ResumedSourceTest, WhenNothingChangedItGoesOnBehind) {
  Done(*walker_, 3);
  Open();
  ResumedSource resumed(*walker_, InputKind::kNamed);
  const auto same = resumed.Compare(Path("p"), 3, 1);
  ASSERT_TRUE(same.ok()) << same.status().ToString();
  EXPECT_TRUE(*same);
  EXPECT_THAT(Rest(resumed), ElementsAre("d/c.jpg", "e/a.jpg", "e/z.jpg", "gone"));
  EXPECT_EQ(resumed.counts().kept, 3);
}

TEST_F(ResumedSourceTest, WithEverythingDoneNothingIsLeft) {
  Done(*walker_, 7);
  Open();
  ResumedSource resumed(*walker_, InputKind::kNamed);
  EXPECT_TRUE(resumed.Compare(Path("p"), 7, 1).value());
  EXPECT_THAT(Rest(resumed), ElementsAre());
}

TEST_F(ResumedSourceTest, ChangedAddedAndRemovedFilesAreMerged) {
  Done(*walker_, 5);
  Write("d/b/1.jpg", "longer than before");
  Write("d/0.jpg");
  Write("d/b/3.jpg");
  std::filesystem::remove(root_ / "d/c.jpg");
  Write("e/b.jpg");
  Open();
  ResumedSource resumed(*walker_, InputKind::kNamed);
  EXPECT_FALSE(resumed.Compare(Path("p"), 5, 1).value());
  EXPECT_THAT(Rest(resumed),
              ElementsAre("d/0.jpg", "d/a.jpg=0", "d/b/1.jpg", "d/b/2.jpg=2", "d/b/3.jpg", "e/a.jpg=4"));
  EXPECT_EQ(resumed.counts().kept, 3);
  EXPECT_EQ(resumed.counts().changed, 1);
  EXPECT_EQ(resumed.counts().added, 2);
  EXPECT_EQ(resumed.counts().gone, 1);
  EXPECT_THAT(Rest(resumed), ElementsAre("e/b.jpg", "e/z.jpg", "gone")) << "then what comes behind it";
}

TEST_F(ResumedSourceTest, AFileThatChangedFirstAndAnInputThatIsGone) {
  Done(*walker_, 7);
  std::filesystem::remove_all(root_ / "e");
  Write("d/a.jpg", "longer than before");
  Open();
  ResumedSource resumed(*walker_, InputKind::kNamed);
  EXPECT_FALSE(resumed.Compare(Path("p"), 7, 1).value());
  EXPECT_THAT(Rest(resumed), ElementsAre("d/a.jpg", "d/b/1.jpg=1", "d/b/2.jpg=2", "d/c.jpg=3", "e", "gone"));
  EXPECT_TRUE(resumed.status().ok());
  EXPECT_EQ(resumed.counts().gone, 2);
}

TEST_F(ResumedSourceTest, AListMustBeTheSame) {
  const std::string a = Path("d/a.jpg");
  const std::string c = Path("d/c.jpg");
  const auto resume = [&](const std::string& text) {
    Write("list", text);
    auto list = ListSource::Open(Path("list"), '\n');
    EXPECT_TRUE(list.ok());
    ResumedSource resumed(**list, InputKind::kList);
    const auto same = resumed.Compare(Path("p"), 3, 1);
    if (!same.ok()) return same.status().message();
    std::string names = *same ? "same " : "rebuilt ";
    for (int part = 0; part < 2; ++part) {
      for (const std::string& name : Rest(resumed)) names += name + "|";
    }
    return resumed.status().ok() ? names : resumed.status().message();
  };
  Write("list", a + "\nnone.jpg\n" + c + "\n" + a + "\n");
  auto list = ListSource::Open(Path("list"), '\n');
  ASSERT_TRUE(list.ok());
  Done(**list, 3);
  EXPECT_EQ(resume(a + "\nnone.jpg\n" + c + "\n" + a + "\n"), "same d/a.jpg|");
  EXPECT_THAT(resume(a + "\n" + c + "\n"), HasSubstr("its name number 2 was 'none.jpg', and is '" + c + "'"));
  EXPECT_THAT(resume(a + "\nnone.jpg\n"),
              HasSubstr("its name number 3 was '" + c + "', and is not there any more"));
  Write("d/a.jpg", "longer than before");
  EXPECT_EQ(resume(a + "\nnone.jpg\n" + c + "\n" + a + "\n"), "rebuilt d/a.jpg|none.jpg|d/c.jpg=2|d/a.jpg|");
  EXPECT_THAT(resume(a + "\nnone.jpg\n" + a + "\n"), HasSubstr("its name number 3 was '" + c + "'"));
}

}  // namespace
}  // namespace photovec::bulk
