#include "peer-client/broadcast/broadcast_inbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/crypto/hash.h"
#include "common/crypto/sign.h"
#include "common/wire/broadcast_object.h"
#include "tests/fakes/memory_storage.h"

namespace p2p::client {
namespace {

using Verdict = BroadcastInbox::Verdict;
const WallTime kNow = WallFromMs(1'700'000'000'000);

class BroadcastInboxTest : public ::testing::Test {
 protected:
  struct Signed {
    BroadcastId id;
    Bytes object;
    crypto::Signature signature;
    std::string text;
  };

  BroadcastInboxTest() : journal_(*BroadcastJournal::Open(storage_, "j", kNow, 1h)) {
    inbox_.SetServer(key_.public_key(), 30min, Duration(0));
  }
  Signed Make(uint8_t n, const std::string& text, WallTime sent = kNow) {
    wire::BroadcastObject object{.id = {},
                                 .sender = {},
                                 .sender_name = "bob",
                                 .sent_at = sent,
                                 .expires_at = sent + std::chrono::minutes(30),
                                 .text_digest = crypto::Sha256(AsBytes(text))};
    object.id.bytes[0] = n;
    object.sender.bytes[0] = 1;
    const Bytes bytes = object.Serialize();
    return {object.id, bytes, key_.Sign(bytes), text};
  }
  Verdict Accept(const Signed& s, WallTime wall = kNow) {
    return inbox_.Accept(s.id, s.object, s.signature, AsBytes(s.text), BroadcastVia::kUdp, wall);
  }

  MemoryStorage storage_;
  crypto::SigningKey key_ = crypto::SigningKey::FromSeed(Secret<32>());
  std::unique_ptr<BroadcastJournal> journal_;
  BroadcastInbox inbox_{*journal_};
};

TEST_F(BroadcastInboxTest, OneFsyncForABatchThenItIsShownOnce) {
  const int before = storage_.syncs;
  EXPECT_EQ(Accept(Make(1, "a")), Verdict::kNew);
  EXPECT_EQ(Accept(Make(2, "b")), Verdict::kNew);
  EXPECT_EQ(Accept(Make(1, "a")), Verdict::kDuplicate);
  const auto messages = inbox_.Commit(kNow);
  ASSERT_TRUE(messages.ok());
  ASSERT_EQ(messages->size(), 2u);
  EXPECT_EQ((*messages)[0].text, "a");
  EXPECT_EQ((*messages)[0].sender_name, "bob");
  EXPECT_EQ(storage_.syncs, before + 1);
  EXPECT_EQ(Accept(Make(2, "b")), Verdict::kDuplicate);
  EXPECT_TRUE(inbox_.Commit(kNow)->empty());
}

TEST_F(BroadcastInboxTest, ForgeriesAreRefusedBeforeTheyTouchAnything) {
  Signed s = Make(1, "text");
  s.signature[0] ^= 1;
  EXPECT_EQ(Accept(s), Verdict::kForged);
  s = Make(1, "text");
  s.text = "other";
  EXPECT_EQ(Accept(s), Verdict::kForged);
  s = Make(1, "text");
  s.id.bytes[0] = 2;
  EXPECT_EQ(Accept(s), Verdict::kForged) << "another id around the same object";
  s = Make(1, "text");
  s.object.back() ^= 1;
  EXPECT_EQ(Accept(s), Verdict::kForged);
  const auto other = crypto::SigningKey::FromSeed(Secret<32>({1}));
  s = Make(1, "text");
  s.signature = other.Sign(s.object);
  EXPECT_EQ(Accept(s), Verdict::kForged) << "not the pinned key";
  EXPECT_EQ(journal_->size(), 0u);
  EXPECT_EQ(Accept(Make(1, "text")), Verdict::kNew);
}

TEST_F(BroadcastInboxTest, ReplayOfWhatMayBeForgottenIsRefused) {
  const Signed old = Make(1, "old");
  EXPECT_EQ(Accept(old, kNow + std::chrono::minutes(59)), Verdict::kNew);
  EXPECT_EQ(Accept(Make(2, "old"), kNow + std::chrono::minutes(61)), Verdict::kStale);
  // Our clock is two hours slow; the server's counts.
  inbox_.SetServer(key_.public_key(), 30min, 2h);
  EXPECT_EQ(Accept(Make(3, "old")), Verdict::kStale);
}

TEST_F(BroadcastInboxTest, TakenBackBeforeItCameIsNeverShownNorAcknowledged) {
  const Signed s = Make(1, "oops");
  EXPECT_FALSE(inbox_.TakeBack(s.id, kNow));
  EXPECT_EQ(Accept(s), Verdict::kDuplicate);
  EXPECT_TRUE(inbox_.Commit(kNow)->empty());
  EXPECT_NE(inbox_.Find(s.id), BroadcastJournal::State::kDurable);
  EXPECT_TRUE(inbox_.Newest(10).empty()) << "a relay must not hear that it is here";
  // Nor after a restart, as long as it can come at all.
  journal_ = *BroadcastJournal::Open(storage_, "j", kNow + std::chrono::minutes(29), 1h);
  BroadcastInbox later(*journal_);
  later.SetServer(key_.public_key(), 30min, Duration(0));
  EXPECT_EQ(later.Accept(s.id, s.object, s.signature, AsBytes(s.text), BroadcastVia::kUdp,
                         kNow + std::chrono::minutes(29)),
            Verdict::kDuplicate);
}

TEST_F(BroadcastInboxTest, WhatWasShownIsReturnedOnceWithTheWayItCame) {
  const Signed s = Make(1, "oops");
  ASSERT_EQ(Accept(s), Verdict::kNew);
  ASSERT_TRUE(inbox_.Commit(kNow).ok());
  ASSERT_TRUE(inbox_.MarkShown(s.id).ok());
  EXPECT_EQ(inbox_.Via(s.id), BroadcastVia::kUdp);
  EXPECT_EQ(inbox_.Via(Make(2, "x").id), std::nullopt);
  const auto shown = inbox_.TakeBack(s.id, kNow);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->sender_name, "bob");
  EXPECT_EQ(shown->text, "oops");
  EXPECT_FALSE(inbox_.TakeBack(s.id, kNow));
  EXPECT_EQ(inbox_.Find(s.id), BroadcastJournal::State::kDurable);
}

TEST_F(BroadcastInboxTest, NothingIsShownWhenTheDiskFails) {
  ASSERT_EQ(Accept(Make(1, "a")), Verdict::kNew);
  storage_.error = absl::ResourceExhaustedError("full");
  EXPECT_FALSE(inbox_.Commit(kNow).ok());
  EXPECT_FALSE(inbox_.journal_status().ok());
  storage_.error = absl::OkStatus();
  EXPECT_TRUE(inbox_.Commit(kNow)->empty());
  EXPECT_EQ(Accept(Make(2, "b")), Verdict::kFailed);
}

}  // namespace
}  // namespace p2p::client
