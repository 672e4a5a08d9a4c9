#include "control-server/domain/resume.h"

#include <gtest/gtest.h>

#include "tests/unit/domain/fixtures.h"

namespace p2p::server {
namespace {

struct Case {
  const char* story;
  uint32_t presented;
  uint32_t newest;
  bool newest_used;
  ResumeVerdict verdict;
};

constexpr Case kCases[] = {
    {"the log-in's token, first renewal", 0, 0, false, ResumeVerdict::kRotate},
    {"the newest, its access token was presented", 3, 3, true, ResumeVerdict::kRotate},
    {"the newest, never used otherwise", 3, 3, false, ResumeVerdict::kRotate},
    {"the one before: the answer was lost", 2, 3, false, ResumeVerdict::kReissue},
    {"the one before, its successor is in use", 2, 3, true, ResumeVerdict::kRevoke},
    {"two before: its successor was resumed with", 1, 3, false, ResumeVerdict::kRevoke},
    {"two before, the newest in use", 1, 3, true, ResumeVerdict::kRevoke},
    {"the first of many", 0, 3, true, ResumeVerdict::kRevoke},
};

PresentedResume Presented(const Case& c) {
  PresentedResume out;
  out.generation = c.presented;
  out.family.generation = c.newest;
  out.family.newest_used = c.newest_used;
  out.family.started_at = kWall;
  out.family.renewed_at = kWall;
  return out;
}

TEST(ResumeTest, EveryTokenOfAFamilyHasItsVerdict) {
  for (const Case& c : kCases) {
    EXPECT_EQ(DecideResume(Presented(c), true, kWall + 1h), c.verdict) << c.story;
    // Who cannot sign changes nothing, whatever he holds.
    EXPECT_EQ(DecideResume(Presented(c), false, kWall + 1h), ResumeVerdict::kRefused) << c.story;
    EXPECT_EQ(DecideResume(Presented(c), true, kWall + 7 * 24h), ResumeVerdict::kExpired)
        << c.story;
  }
  EXPECT_EQ(DecideResume(std::nullopt, true, kWall), ResumeVerdict::kRefused);
}

TEST(ResumeTest, SevenIdleDaysOrThirtyInAllEndASession) {
  PresentedResume presented = Presented(kCases[0]);
  EXPECT_EQ(DecideResume(presented, true, kWall + 7 * 24h - 1ms), ResumeVerdict::kRotate);
  EXPECT_EQ(DecideResume(presented, true, kWall + 7 * 24h), ResumeVerdict::kExpired);
  presented.family.renewed_at = kWall + 29 * 24h;
  EXPECT_EQ(DecideResume(presented, true, kWall + 30 * 24h - 1ms), ResumeVerdict::kRotate);
  EXPECT_EQ(DecideResume(presented, true, kWall + 30 * 24h), ResumeVerdict::kExpired);
}

TEST(ResumeTest, ARenewalIsOneGenerationOnAndUnused) {
  PresentedResume presented = Presented(kCases[1]);
  ResumeFamily renewed = Renewed(presented, kWall + 1h);
  EXPECT_EQ(renewed.generation, 4u);
  EXPECT_FALSE(renewed.newest_used);
  EXPECT_EQ(renewed.renewed_at, kWall + 1h);
  EXPECT_EQ(renewed.started_at, kWall);
  // In place of the successor that was never used.
  renewed = Renewed(Presented(kCases[3]), kWall);
  EXPECT_EQ(renewed.generation, 3u);
}

TEST(ResumeTest, NoAccessTokenOutlivesItsSession) {
  ResumeFamily family;
  family.started_at = kWall;
  EXPECT_EQ(AccessTokenEnd(family, 12h, kWall + 1h), kWall + 13h);
  EXPECT_EQ(AccessTokenEnd(family, 12h, kWall + 30 * 24h - 1h), kWall + 30 * 24h);
}

}  // namespace
}  // namespace p2p::server
