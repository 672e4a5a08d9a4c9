#include "peer-client/chat/safety_number.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace p2p::client {
namespace {

SafetySide Side(uint8_t uid, uint8_t key) {
  SafetySide side;
  side.uid.bytes.fill(uid);
  side.key.fill(key);
  return side;
}

TEST(SafetyNumberTest, IsTheSameSeenFromBothSidesAndOfSixtyDigits) {
  const std::string number = SafetyNumber(Side(1, 10), Side(2, 20));
  EXPECT_EQ(number, SafetyNumber(Side(2, 20), Side(1, 10)));
  EXPECT_EQ(number.size(), 60u);
  EXPECT_TRUE(std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; }));
}

TEST(SafetyNumberTest, DependsOnEveryPart) {
  const std::string number = SafetyNumber(Side(1, 10), Side(2, 20));
  EXPECT_NE(number, SafetyNumber(Side(3, 10), Side(2, 20)));
  EXPECT_NE(number, SafetyNumber(Side(1, 11), Side(2, 20)));
  EXPECT_NE(number, SafetyNumber(Side(1, 10), Side(2, 21)));
  EXPECT_NE(number, SafetyNumber(Side(1, 20), Side(2, 10)));
}

// Made by a second implementation, from the text in proto/PEER_LINK.md: hashlib in Python.
TEST(SafetyNumberTest, IsTheOneOfAnotherImplementation) {
  EXPECT_EQ(SafetyNumber(Side(1, 10), Side(2, 20)),
            "186352855522504958978460520305715062827562212689630405113296");
}

}  // namespace
}  // namespace p2p::client
