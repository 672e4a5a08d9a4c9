#include "peer-client/state/known_peers.h"

#include <gtest/gtest.h>

#include "tests/fakes/memory_storage.h"

namespace p2p::client {
namespace {

constexpr char kPath[] = "known_peers";
using Verdict = KnownPeers::Verdict;

class KnownPeersTest : public ::testing::Test {
 protected:
  static wire::IntroducedParty Party(const std::string& name, uint8_t uid, uint8_t key) {
    wire::IntroducedParty party;
    party.name = name;
    party.uid.bytes.fill(uid);
    party.device_key.fill(key);
    return party;
  }
  KnownPeers Open() { return *KnownPeers::Open(storage_, kPath); }
  static Verdict Meet(KnownPeers& known, const wire::IntroducedParty& party) {
    UserId me;
    me.bytes.fill(99);
    return known.Meet(party, me).value();
  }
  MemoryStorage storage_;
};

TEST_F(KnownPeersTest, AKeyIsPinnedAtTheFirstMeetingAcrossRestarts) {
  {
    KnownPeers known = Open();
    EXPECT_EQ(Meet(known, Party("bob", 1, 10)), Verdict::kFirst);
    EXPECT_EQ(Meet(known, Party("Bob", 1, 10)), Verdict::kSame);
  }
  KnownPeers known = Open();
  ASSERT_NE(known.Find("BOB"), nullptr);
  EXPECT_EQ(known.Find("bob")->name, "Bob");
  EXPECT_FALSE(known.Find("bob")->verified);
  EXPECT_EQ(Meet(known, Party("bob", 1, 10)), Verdict::kSame);
}

TEST_F(KnownPeersTest, AChangedKeyWaitsForTheUsersWord) {
  KnownPeers known = Open();
  Meet(known, Party("bob", 1, 10));
  EXPECT_TRUE(known.MarkVerified("bob").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(known.Trust("bob"))) << "nothing has changed";
  EXPECT_EQ(Meet(known, Party("bob", 1, 11)), Verdict::kChanged);
  EXPECT_EQ(Meet(known, Party("bob", 1, 11)), Verdict::kChanged) << "still";
  EXPECT_EQ(known.Find("bob")->key[0], 10);
  EXPECT_TRUE(absl::IsFailedPrecondition(known.MarkVerified("bob")));
  known = Open();
  ASSERT_TRUE(known.Find("bob")->offered);
  EXPECT_TRUE(known.Trust("bob").ok());
  EXPECT_FALSE(known.Find("bob")->verified) << "another key has to be compared anew";
  EXPECT_EQ(Meet(known, Party("bob", 1, 11)), Verdict::kSame);
  EXPECT_EQ(Meet(known, Party("bob", 1, 10)), Verdict::kChanged);
}

TEST_F(KnownPeersTest, OnlyTheKeyThatTheUserWasShownIsTrusted) {
  KnownPeers known = Open();
  Meet(known, Party("bob", 1, 10));
  Meet(known, Party("bob", 1, 11));
  Meet(known, Party("bob", 1, 12));
  EXPECT_TRUE(absl::IsFailedPrecondition(known.Trust("bob"))) << "the warning was of another one";
  ASSERT_TRUE(known.NoteCompared("bob").ok());
  Meet(known, Party("bob", 1, 13));
  known = Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(known.Trust("bob"))) << "also after a restart";
  EXPECT_EQ(known.Find("bob")->key[0], 10);
  ASSERT_TRUE(known.NoteCompared("bob").ok());
  known = Open();
  ASSERT_TRUE(known.Trust("bob").ok());
  EXPECT_EQ(known.Find("bob")->key[0], 13);
  Meet(known, Party("bob", 1, 12));
  EXPECT_TRUE(known.Trust("bob").ok()) << "what was compared before does not count for it";
}

TEST_F(KnownPeersTest, TheOldKeyAgainTakesTheOfferBack) {
  KnownPeers known = Open();
  Meet(known, Party("bob", 1, 10));
  Meet(known, Party("bob", 1, 11));
  EXPECT_EQ(Meet(known, Party("bob", 1, 10)), Verdict::kSame);
  EXPECT_FALSE(known.Find("bob")->offered);
}

TEST_F(KnownPeersTest, ANameOfSomebodyElseIsANewPerson) {
  KnownPeers known = Open();
  Meet(known, Party("bob", 1, 10));
  EXPECT_EQ(Meet(known, Party("BOB", 2, 20)), Verdict::kNamesake);
  EXPECT_TRUE(Open().Find("bob")->namesake);
  EXPECT_EQ(known.Find("bob")->uid, Party("bob", 2, 20).uid) << "the one met last";
  EXPECT_TRUE(known.MarkVerified("bob").ok());
  EXPECT_FALSE(known.Find("bob")->namesake);
}

TEST_F(KnownPeersTest, ADamagedFileIsNotTakenForAnEmptyOne) {
  {
    KnownPeers known = Open();
    Meet(known, Party("bob", 1, 10));
  }
  const std::string whole = storage_.Raw(kPath);
  for (size_t size = 0; size < whole.size(); ++size) {
    if (size == whole.find('\n') + 1) continue;  // The header alone: nobody was met.
    storage_.Raw(kPath) = whole.substr(0, size);
    EXPECT_TRUE(absl::IsDataLoss(KnownPeers::Open(storage_, kPath).status())) << size;
  }
}

TEST_F(KnownPeersTest, WhatCannotBeWrittenIsAnError) {
  KnownPeers known = Open();
  storage_.error = absl::ResourceExhaustedError("disk full");
  EXPECT_FALSE(known.Meet(Party("bob", 1, 10), UserId()).ok());
}

}  // namespace
}  // namespace p2p::client
