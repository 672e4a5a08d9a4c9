#include "common/base/text.h"

#include <gtest/gtest.h>

namespace p2p {
namespace {

TEST(RenderUntrustedTest, LeavesOrdinaryTextAlone) {
  EXPECT_EQ(RenderUntrusted("Grüße, мир, 你好"), "Grüße, мир, 你好");
}

TEST(RenderUntrustedTest, KeepsEmojiJoinersInMessagesOnly) {
  const std::string family = "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7";
  EXPECT_EQ(RenderUntrusted(family), family);
  EXPECT_EQ(RenderUntrusted(family, TextKind::kLine), "\xF0\x9F\x91\xA9\xF0\x9F\x91\xA7");
}

TEST(RenderUntrustedTest, RemovesTerminalControl) {
  EXPECT_EQ(RenderUntrusted("a\x1b[31mb\x07\x7f"), "a[31mb");
  EXPECT_EQ(RenderUntrusted("a\xC2\x9B"
                            "31mb"),
            "a31mb");  // C1 CSI as a code point
  EXPECT_EQ(RenderUntrusted("\xE2\x80\xAE"
                            "abc\xE2\x80\xAC"),
            "abc");  // bidi override
  EXPECT_EQ(RenderUntrusted("a\rb\tc"), "ab c");
}

TEST(RenderUntrustedTest, TheByte9CInsideValidUtf8Survives) {
  EXPECT_EQ(RenderUntrusted("\xE4\x9C\x9C"), "\xE4\x9C\x9C");
}

TEST(RenderUntrustedTest, ReplacesInvalidUtf8) {
  EXPECT_EQ(RenderUntrusted("a\xFF"
                            "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(RenderUntrusted("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(RenderUntrustedTest, ANewlineCannotFakeAnotherSpeaker) {
  EXPECT_EQ(RenderUntrusted("hi\nbob: pay me"), "hi\n  | bob: pay me");
  EXPECT_EQ(RenderUntrusted("hi\nbob", TextKind::kLine), "hibob");
}

TEST(RenderUntrustedTest, LimitsCombiningMarks) {
  std::string zalgo = "a";
  for (int i = 0; i < 100; ++i) zalgo += "\xCC\x81";
  EXPECT_EQ(RenderUntrusted(zalgo).size(), 1u + 8 * 2);
}

TEST(RenderUntrustedTest, WhatIsNotShownIsNoBaseForMoreMarks) {
  const std::string marks = "\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81";
  for (const char* hidden : {"\xE2\x80\x8B", "\xE2\x80\x8D", "\x07", "\xC2\xAD"}) {
    std::string zalgo = "e";
    for (int i = 0; i < 100; ++i) zalgo += marks + hidden;
    for (const TextKind kind : {TextKind::kMessage, TextKind::kLine}) {
      const std::string shown = RenderUntrusted(zalgo, kind);
      size_t count = 0;
      for (size_t at = shown.find("\xCC\x81"); at != std::string::npos;
           at = shown.find("\xCC\x81", at + 2)) {
        ++count;
      }
      EXPECT_EQ(count, 8u);
    }
  }
}

TEST(RenderUntrustedTest, NothingWithoutWidthStaysInNames) {
  EXPECT_EQ(RenderUntrusted("a\xC2\xADl\xE2\x81\xA0i\xE1\xA0\x8E"
                            "ce",
                            TextKind::kLine),
            "alice");
}

TEST(FormatRfc3339Test, PrintsUtcWithMilliseconds) {
  EXPECT_EQ(FormatRfc3339(WallFromMs(1'772'366'400'123)), "2026-03-01T12:00:00.123Z");
  EXPECT_EQ(FormatRfc3339(WallFromMs(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(FormatRfc3339(WallFromMs(INT64_MIN)), "0001-01-01T00:00:00.000Z");
  EXPECT_EQ(FormatRfc3339(WallFromMs(INT64_MAX)), "9999-12-31T23:59:59.999Z");
}

}  // namespace
}  // namespace p2p
