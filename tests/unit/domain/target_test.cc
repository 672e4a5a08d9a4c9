#include "control-server/domain/target.h"

#include <gtest/gtest.h>

#include "tests/unit/domain/fixtures.h"

namespace p2p::server {
namespace {

TEST(TargetTest, ANameHasTheShapeOfAUsername) {
  EXPECT_EQ(ClassifyName("bob").kind, TargetKind::kName);
  EXPECT_EQ(ClassifyName("Bob.2-x_").name, "Bob.2-x_");
  EXPECT_EQ(ClassifyName("root").kind, TargetKind::kName);  // Reserved, still a name.
}

TEST(TargetTest, WhatCannotBeANameIsGarbageInTheNameField) {
  for (const char* text : {"bo", "1bob", "bob!", "bob smith", " bob",
                           "b\xC3\xB6"
                           "b",
                           "10.0.0.7", "a23456789012345678901234567890123"}) {
    EXPECT_EQ(ClassifyName(text).kind, TargetKind::kGarbage) << text;
  }
}

TEST(TargetTest, AddressesAreReadExactly) {
  EXPECT_EQ(ClassifyAddress("10.0.0.7").ip, Ip("10.0.0.7"));
  EXPECT_EQ(ClassifyAddress("2001:DB8::1").ip, Ip("2001:db8::1"));
  EXPECT_EQ(ClassifyAddress("::ffff:10.0.0.7").ip, Ip("10.0.0.7"));
  for (const char* text : {"10.0.0", "10.0.0.256", "010.0.0.7", "10.0.0.7:80", "[::1]", "fe80::1%2",
                           "1.2.3.4 ", "bob", "::g", "10.0.0.7/8"}) {
    EXPECT_EQ(ClassifyAddress(text).kind, TargetKind::kGarbage) << text;
  }
}

TEST(TargetTest, SpecialAddressesAreNobodys) {
  for (const char* text : {"0.0.0.0", "::", "224.0.0.1", "239.1.2.3", "ff02::1", "255.255.255.255",
                           "::ffff:0.0.0.0"}) {
    EXPECT_EQ(ClassifyAddress(text).kind, TargetKind::kSpecialAddress) << text;
  }
}

TEST(TargetTest, LoopbackIsForTheViewerToJudge) {
  EXPECT_EQ(ClassifyAddress("127.0.0.1").kind, TargetKind::kAddress);
  EXPECT_EQ(ClassifyAddress("::1").kind, TargetKind::kAddress);
}

}  // namespace
}  // namespace p2p::server
