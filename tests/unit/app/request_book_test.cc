#include "peer-client/app/request_book.h"

#include <gtest/gtest.h>

namespace p2p::client {
namespace {

constexpr MonoTime kNow{1h};

event::PeerRequest From(std::string id, std::string name) {
  return {std::move(id), std::move(name), "10.0.0.7", "", 60s};
}

TEST(RequestBookTest, FindsByIdBeginningAndName) {
  RequestBook book;
  book.AddIncoming(From("aaaa1111", "bob"), kNow);
  EXPECT_EQ(*book.FindIncoming("", kNow), "aaaa1111");
  book.AddIncoming(From("aaaa2222", "carol"), kNow);
  EXPECT_EQ(*book.FindIncoming("BOB", kNow), "aaaa1111");
  EXPECT_EQ(*book.FindIncoming("aaaa2", kNow), "aaaa2222");
  EXPECT_EQ(*book.FindIncoming("aaaa2222", kNow), "aaaa2222");
  EXPECT_TRUE(absl::IsFailedPrecondition(book.FindIncoming("", kNow).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(book.FindIncoming("aaaa", kNow).status()));
  EXPECT_TRUE(absl::IsNotFound(book.FindIncoming("dave", kNow).status()));
}

TEST(RequestBookTest, ExpiredAndClosedRequestsAreNotFound) {
  RequestBook book;
  book.AddIncoming(From("aaaa1111", "bob"), kNow);
  EXPECT_TRUE(book.AnyIncoming(kNow));
  EXPECT_FALSE(book.AnyIncoming(kNow + 60s));
  EXPECT_TRUE(absl::IsNotFound(book.FindIncoming("bob", kNow + 60s).status()));
  EXPECT_TRUE(book.Close("aaaa1111", "bob"));
  EXPECT_FALSE(book.Close("aaaa1111", "bob"));
  EXPECT_EQ(book.PeerOf("aaaa1111"), "bob");
  EXPECT_FALSE(book.AnyIncoming(kNow));
}

TEST(RequestBookTest, AFloodOfRequestsKeepsTheNewestSixtyFour) {
  RequestBook book;
  for (int i = 1000; i < 1100; ++i) {
    book.AddIncoming(From(std::to_string(i), "user" + std::to_string(i)), kNow);
  }
  EXPECT_FALSE(book.FindIncoming("user1035", kNow).ok());
  EXPECT_TRUE(book.FindIncoming("user1036", kNow).ok());
  EXPECT_TRUE(book.FindIncoming("user1099", kNow).ok());
}

TEST(TargetTest, TellsNamesAddressesAndNonsenseApart) {
  EXPECT_EQ(ClassifyTarget("bob"), TargetKind::kName);
  EXPECT_EQ(ClassifyTarget("10.0.0.7"), TargetKind::kAddress);
  EXPECT_EQ(ClassifyTarget("::1"), TargetKind::kAddress);
  for (const char* bad : {"", "ab", "1bob", "10.0.0", "bob smith", "b\xc3\xb6rk", "::zz"}) {
    EXPECT_EQ(ClassifyTarget(bad), TargetKind::kMalformed) << bad;
  }
  EXPECT_TRUE(LooksLikeAddress("300.1.2.3"));
  EXPECT_TRUE(LooksLikeAddress("fe80::zz"));
  EXPECT_FALSE(LooksLikeAddress("not a name!"));
}

}  // namespace
}  // namespace p2p::client
