#include "peer-client/state/history.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace p2p::client {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Kind = HistoryEntry::Kind;

class HistoryTest : public ::testing::Test {
 protected:
  HistoryTest() {
    std::string name = ::testing::TempDir() + "/history.XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    Open();
  }
  ~HistoryTest() override { fs::remove_all(directory_); }
  void Open() {
    history_.reset();
    auto opened = History::Open(Path());
    ASSERT_TRUE(opened.ok()) << opened.status();
    history_ = *std::move(opened);
  }
  std::string Path() const { return directory_ + "/history.db"; }
  void Add(Kind kind, const std::string& peer, const std::string& text) {
    ++added_;
    ASSERT_TRUE(
        history_->Add({kind, peer, absl::StrCat("id", added_), WallFromMs(added_ * 1000), text})
            .ok());
  }
  static std::vector<std::string> Texts(const absl::StatusOr<std::vector<HistoryEntry>>& entries) {
    std::vector<std::string> out;
    for (const auto& entry : *entries) out.push_back(entry.text);
    return out;
  }
  // All that is on the disk.
  std::string Raw() const {
    std::ostringstream out;
    for (const auto& file : fs::directory_iterator(directory_)) {
      out << std::ifstream(file.path(), std::ios::binary).rdbuf();
    }
    return out.str();
  }

  std::string directory_;
  std::unique_ptr<History> history_;
  int64_t added_ = 0;
};

TEST_F(HistoryTest, TheNewestOfOnePeerOrOfAllOldestFirst) {
  Add(Kind::kOut, "bob", "one");
  Add(Kind::kIn, "Bob", "two");
  Add(Kind::kIn, "carol", "three");
  Add(Kind::kBroadcast, "bob", "four");
  EXPECT_THAT(Texts(history_->Newest("BOB", 10)), ElementsAre("one", "two", "four"));
  EXPECT_THAT(Texts(history_->Newest("", 2)), ElementsAre("three", "four"));
  EXPECT_THAT(Texts(history_->Newest("dave", 10)), IsEmpty());
  Open();  // It outlives the program.
  const auto all = history_->Newest("", 10);
  ASSERT_EQ(all->size(), 4u);
  EXPECT_EQ((*all)[0].kind, Kind::kOut);
  EXPECT_EQ((*all)[0].at, WallFromMs(1000));
  EXPECT_EQ((*all)[3].peer, "bob");
}

TEST_F(HistoryTest, AReplayedMessageIsThereOnce) {
  const HistoryEntry entry{Kind::kIn, "bob", "same", WallFromMs(1), "hello"};
  ASSERT_TRUE(history_->Add(entry).ok());
  ASSERT_TRUE(history_->Add(entry).ok());
  EXPECT_THAT(Texts(history_->Newest("", 10)), ElementsAre("hello"));
}

TEST_F(HistoryTest, SearchTakesWhatIsTypedLiterally) {
  Add(Kind::kIn, "bob", "100 % sure");
  Add(Kind::kIn, "bob", "100 times");
  Add(Kind::kIn, "bob", "under_score");
  Add(Kind::kIn, "bob", "underXscore");
  Add(Kind::kIn, "bob", "C:\\path");
  Add(Kind::kIn, "bob", "'; DROP TABLE line; --");
  EXPECT_THAT(Texts(history_->Search("100 %", 10)), ElementsAre("100 % sure"));
  EXPECT_THAT(Texts(history_->Search("UNDER_", 10)), ElementsAre("under_score"));
  EXPECT_THAT(Texts(history_->Search(":\\", 10)), ElementsAre("C:\\path"));
  EXPECT_THAT(Texts(history_->Search("'; drop", 10)), ElementsAre("'; DROP TABLE line; --"));
  EXPECT_THAT(Texts(history_->Search("nothing like it", 10)), IsEmpty());
}

TEST_F(HistoryTest, ExportMakesANewFileOfJsonLines) {
  Add(Kind::kOut, "bob", "first\nsecond line");
  Add(Kind::kIn, "bob", "\x1b[2J");
  const std::string path = directory_ + "/export.jsonl";
  EXPECT_EQ(*history_->Export(path), 2u);
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  EXPECT_EQ(line, R"({"kind":"out","peer":"bob","id":"id1","at":"1970-01-01T00:00:01.000Z",)"
                  R"("text":"first\nsecond line"})");
  std::getline(in, line);
  EXPECT_THAT(line, HasSubstr("\\u001b[2J"));
  struct stat s;
  ASSERT_EQ(::stat(path.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0600u);
  EXPECT_EQ(history_->Export(path).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(HistoryTest, WhatIsForgottenIsGoneFromTheDisk) {
  Add(Kind::kIn, "bob", "an old secret of ours");
  Add(Kind::kIn, "bob", "something newer");
  ASSERT_TRUE(history_->Forget(WallFromMs(2000)).ok());
  EXPECT_THAT(Texts(history_->Newest("", 10)), ElementsAre("something newer"));
  EXPECT_THAT(Raw(), Not(HasSubstr("an old secret")));
  EXPECT_THAT(Raw(), HasSubstr("something newer"));
}

TEST_F(HistoryTest, OffLeavesNoFile) {
  Add(Kind::kIn, "bob", "hello");
  history_.reset();
  History::RemoveFile(Path());
  EXPECT_TRUE(fs::is_empty(directory_));
}

TEST_F(HistoryTest, AnotherFileIsAnErrorAndNothingThrows) {
  history_.reset();
  History::RemoveFile(Path());
  std::ofstream(Path()) << std::string(5000, 'x');
  EXPECT_FALSE(History::Open(Path()).ok());
  EXPECT_FALSE(History::Open("/nowhere/at/all").ok());
}

}  // namespace
}  // namespace p2p::client
