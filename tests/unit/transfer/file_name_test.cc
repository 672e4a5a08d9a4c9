#include "peer-client/transfer/file_name.h"

#include <gmock/gmock.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/text.h"
#include "common/wire/peer_link_limits.h"

namespace p2p::client {
namespace {

using ::testing::Optional;
using ::testing::StrEq;

TEST(FileNameTest, GoodNamesStayAsTheyAre) {
  for (const char* name : {"notes.txt", "no extension", "two.dots.tar.gz", "ünïcode — 漢字.pdf",
                           "a", "report (1).odt", "-dash", "semi;colon&amp", "CONSOLE.txt"}) {
    EXPECT_THAT(SafeFileName(name), Optional(StrEq(name)));
  }
}

TEST(FileNameTest, ACutLeavesNoBlankAtTheEnd) {
  const auto name = SafeFileName(std::string(190, 'n') + "." + std::string(30, 'e') + " and more");
  ASSERT_TRUE(name);
  EXPECT_NE(name->back(), ' ');
  EXPECT_EQ(SafeFileName(*name), name);
}

TEST(FileNameTest, OnlyTheLastPartCounts) {
  EXPECT_THAT(SafeFileName("/etc/passwd"), Optional(StrEq("passwd")));
  EXPECT_THAT(SafeFileName("..\\..\\boot.ini"), Optional(StrEq("boot.ini")));
  EXPECT_THAT(SafeFileName("a/b\\c"), Optional(StrEq("c")));
  EXPECT_THAT(SafeFileName("C:\\x\\y.exe"), Optional(StrEq("y.exe")));
}

TEST(FileNameTest, WhatIsNoNameIsRefused) {
  for (const char* name : {"", ".", "..", "/", "a/", "..\\", "///", "   ", "\t", "\x1b", "/.",
                           "x/..", "\u200b", "\u202e"}) {
    EXPECT_EQ(SafeFileName(name), std::nullopt) << name;
  }
}

TEST(FileNameTest, HiddenNamesAndDevicesAreMadeHarmless) {
  EXPECT_THAT(SafeFileName(".bashrc"), Optional(StrEq("_bashrc")));
  EXPECT_THAT(SafeFileName("...x"), Optional(StrEq("_..x")));
  EXPECT_THAT(SafeFileName("con"), Optional(StrEq("con_")));
  EXPECT_THAT(SafeFileName("LPT1.txt"), Optional(StrEq("LPT1_.txt")));
  EXPECT_THAT(SafeFileName("nul.tar.gz"), Optional(StrEq("nul_.tar.gz")));
}

// Whatever is offered: a name in this folder, visible, short, without anything that moves a cursor.
TEST(FileNameTest, HostileNamesNeverLeaveTheFolder) {
  std::vector<std::string> hostile;
  const std::vector<std::string> parts = {
      "..",   ".",    "/",   "\\",     "etc", "\n",     "\r", "\x1b[2J", "\u202e", "\u200b",
      "\x9b", "\xff", "con", "%2e%2e", "~",   "x.part", "C:", "\u2215",  "\u0301", "\x01"};
  for (const auto& a : parts) {
    for (const auto& b : parts) {
      for (const auto& c :
           {std::string("/"), std::string("\\"), std::string(), std::string("\t")}) {
        hostile.push_back(a + c + b);
      }
    }
  }
  hostile.push_back(std::string("nul\0byte", 8));
  hostile.push_back(std::string(5000, 'x'));
  hostile.push_back(absl::StrCat(std::string(300, 'y'), ".", std::string(300, 'z')));
  for (int i = 0; i < 100; ++i)
    hostile.push_back(absl::StrCat(std::string(i * 3, 'a'), "ß漢\u0301"));
  ASSERT_GE(hostile.size(), 1000u);
  for (const std::string& offered : hostile) {
    const auto name = SafeFileName(offered);
    if (!name) continue;
    EXPECT_TRUE(!name->empty() && name->size() <= wire::kMaxFileName) << offered;
    EXPECT_FALSE(absl::StrContains(*name, '/') || absl::StrContains(*name, '\\')) << *name;
    EXPECT_FALSE(absl::StartsWith(*name, ".")) << *name;
    EXPECT_FALSE(absl::StrContains(*name, '\0')) << *name;
    EXPECT_TRUE(IsValidUtf8(*name));
    EXPECT_EQ(RenderUntrusted(*name, TextKind::kLine), *name) << "not harmless yet";
  }
}

TEST(FileNameTest, CutsFallBetweenLetters) {
  EXPECT_EQ(CutTo("abc", 3), "abc");
  EXPECT_EQ(CutTo("abcd", 3), "abc");
  EXPECT_EQ(CutTo("aé", 2), "a");
  EXPECT_EQ(CutTo("漢字", 5), "漢");
  EXPECT_EQ(CutTo("漢", 2), "");
}

TEST(FileNameTest, TheExtensionSurvivesACut) {
  const auto name = SafeFileName(absl::StrCat(std::string(500, 'n'), ".tar"));
  ASSERT_TRUE(name);
  EXPECT_EQ(name->size(), wire::kMaxFileName);
  EXPECT_TRUE(absl::EndsWith(*name, "n.tar"));
  EXPECT_EQ(NumberedName("notes.txt", 2), "notes (2).txt");
  EXPECT_EQ(NumberedName("README", 3), "README (3)");
  EXPECT_LE(NumberedName(*name, 999).size(), 255u);
}

}  // namespace
}  // namespace p2p::client
