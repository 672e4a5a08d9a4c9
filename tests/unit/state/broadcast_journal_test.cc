#include "peer-client/state/broadcast_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "tests/fakes/memory_storage.h"

namespace p2p::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using State = BroadcastJournal::State;

constexpr char kPath[] = "journal";
const WallTime kNow = WallFromMs(1'700'000'000'000);

BroadcastJournal::Entry MakeEntry(uint8_t n, const std::string& text = "hi") {
  BroadcastJournal::Entry entry{.id = {},
                                .sender_name = "alice",
                                .sent_at = kNow,
                                .expires_at = kNow + std::chrono::minutes(30),
                                .text = text,
                                .via = 1};
  entry.id.bytes[0] = n;
  return entry;
}

class BroadcastJournalTest : public ::testing::Test {
 protected:
  std::unique_ptr<BroadcastJournal> Open(WallTime now = kNow) {
    auto journal = BroadcastJournal::Open(storage_, kPath, now, 1h);
    EXPECT_TRUE(journal.ok()) << journal.status();
    return *std::move(journal);
  }
  MemoryStorage storage_;
};

TEST_F(BroadcastJournalTest, AcknowledgedEntriesSurviveLossOfPower) {
  auto journal = Open();
  ASSERT_TRUE(journal->Append(MakeEntry(1)).ok());
  EXPECT_EQ(journal->Find(MakeEntry(1).id), State::kUnsynced);
  ASSERT_TRUE(journal->Sync().ok());
  EXPECT_EQ(journal->Find(MakeEntry(1).id), State::kDurable);
  ASSERT_TRUE(journal->Append(MakeEntry(2)).ok());
  for (const size_t torn : {size_t{5}, size_t{0}}) {
    storage_.CutPower(torn);
    journal = Open();
    EXPECT_EQ(journal->Find(MakeEntry(1).id), State::kDurable);
    EXPECT_EQ(journal->Find(MakeEntry(2).id), State::kUnknown);
    EXPECT_THAT(journal->TakeUnshown(), ElementsAre(MakeEntry(1)));
  }
}

TEST_F(BroadcastJournalTest, ShownEntriesAreNotEmittedAgainButStayKnown) {
  auto journal = Open();
  ASSERT_TRUE(journal->Append(MakeEntry(1)).ok());
  ASSERT_TRUE(journal->Append(MakeEntry(2)).ok());
  ASSERT_TRUE(journal->Sync().ok());
  ASSERT_TRUE(journal->MarkShown(MakeEntry(1).id).ok());
  journal = Open();  // Killed: what was written is there, synced or not.
  EXPECT_THAT(journal->TakeUnshown(), ElementsAre(MakeEntry(2)));
  EXPECT_THAT(journal->TakeUnshown(), IsEmpty());
  EXPECT_EQ(journal->Find(MakeEntry(1).id), State::kDurable);
  EXPECT_THAT(journal->Newest(1), ElementsAre(MakeEntry(2).id));
}

TEST_F(BroadcastJournalTest, ALostMarkRepeatsAndALostEntryDoesNot) {
  auto journal = Open();
  ASSERT_TRUE(journal->Append(MakeEntry(1)).ok());
  ASSERT_TRUE(journal->Sync().ok());
  ASSERT_TRUE(journal->MarkShown(MakeEntry(1).id).ok());
  storage_.CutPower();
  journal = Open();
  EXPECT_THAT(journal->TakeUnshown(), ElementsAre(MakeEntry(1)));
}

// What a client did until its power went.
struct Life {
  std::set<uint8_t> acknowledged;
  std::set<uint8_t> shown;
  bool whole = false;
};

Life Live(BroadcastJournal& journal) {
  Life life;
  std::vector<uint8_t> batch;
  for (uint8_t n = 1; n <= 60; ++n) {
    if (!journal.Append(MakeEntry(n, std::string(n * 20, 'x'))).ok()) return life;
    batch.push_back(n);
    if (n % 3 != 0) continue;
    if (!journal.Sync().ok()) return life;
    life.acknowledged.insert(batch.begin(), batch.end());
    for (const uint8_t m : std::exchange(batch, {})) {
      life.shown.insert(m);
      if (!journal.MarkShown(MakeEntry(m).id).ok()) return life;
    }
    if (n == 30 && !journal.Compact(kNow + 2h, 1h).ok()) return life;
  }
  life.whole = true;
  return life;
}

TEST(BroadcastJournalPowerTest, ACutAtEveryWriteLosesNothingAcknowledgedAndHidesNothing) {
  for (const size_t torn : {size_t{0}, size_t{1}, size_t{30}, size_t{5000}}) {
    bool whole = false;
    int cuts = 0;
    for (int until = 1; !whole; ++until, ++cuts) {
      MemoryStorage storage;
      auto journal = BroadcastJournal::Open(storage, kPath, kNow, 1h);
      ASSERT_TRUE(journal.ok());
      storage.power_until = storage.uses + until;
      const Life life = Live(**journal);
      whole = life.whole;
      storage.CutPower(torn);
      storage.power_until = -1;
      journal = BroadcastJournal::Open(storage, kPath, kNow, 1h);
      ASSERT_TRUE(journal.ok()) << journal.status();
      std::set<uint8_t> again;  // To be shown, and said to be perhaps a repetition.
      for (const auto& entry : (*journal)->TakeUnshown()) again.insert(entry.id.bytes[0]);
      for (const uint8_t n : life.acknowledged) {
        ASSERT_EQ((*journal)->Find(MakeEntry(n).id), State::kDurable)
            << "write " << until << ", entry " << int{n};
        ASSERT_TRUE(life.shown.contains(n) || again.contains(n)) << "never seen: " << int{n};
      }
    }
    EXPECT_GT(cuts, 130) << "every append, sync and mark";
  }
}

// A client over several lives of its process: what it told the server, and what its user saw.
class Reader {
 public:
  static constexpr uint8_t kBroadcasts = 24;

  // Starts, shows what an earlier life left, then receives all of them, again or for the first
  // time. An error ends the life: the power went.
  absl::Status Live(LogStorage& storage) {
    P2P_ASSIGN_OR_RETURN(auto journal, BroadcastJournal::Open(storage, kPath, kNow, 1h));
    for (const uint8_t n : acknowledged) {
      EXPECT_EQ(journal->Find(MakeEntry(n).id), State::kDurable) << "entry " << int{n};
    }
    for (const auto& entry : journal->TakeUnshown()) {
      ++flagged[entry.id.bytes[0]];
      P2P_RETURN_IF_ERROR(journal->MarkShown(entry.id));
    }
    std::vector<uint8_t> batch;
    for (uint8_t n = 1; n <= kBroadcasts; ++n) {
      if (journal->Find(MakeEntry(n).id) == State::kUnknown) {
        // So long that the file soon is worth rewriting.
        P2P_RETURN_IF_ERROR(journal->Append(MakeEntry(n, std::string(60'000, 'x'))));
        batch.push_back(n);
      }
      P2P_RETURN_IF_ERROR(journal->Compact(kNow, 1h));  // Some of it synced, marked, or neither.
      if (n % 4 != 0) continue;
      P2P_RETURN_IF_ERROR(journal->Sync());
      acknowledged.insert(batch.begin(), batch.end());
      for (const uint8_t m : batch) {
        P2P_RETURN_IF_ERROR(journal->Compact(kNow, 1h));
        ++unflagged[m];
        P2P_RETURN_IF_ERROR(journal->MarkShown(MakeEntry(m).id));
      }
      batch.clear();
    }
    return absl::OkStatus();
  }

  std::set<uint8_t> acknowledged;
  std::map<uint8_t, int> unflagged;
  std::map<uint8_t, int> flagged;  // Said to be perhaps a repetition.
};

TEST(BroadcastJournalPowerTest, ACutAtEveryStepOfARewritingLosesAndRepeatsNothing) {
  std::map<int, int> cut_in_replace;
  for (const bool rename_survives : {false, true}) {
    absl::Status lived = absl::UnknownError("not yet");
    for (int until = 0; !lived.ok(); ++until) {
      SCOPED_TRACE(absl::StrCat("renamed ", rename_survives, ", cut ", until));
      MemoryStorage storage;
      storage.rename_survives = rename_survives;
      storage.power_until = until;
      Reader reader;
      lived = reader.Live(storage);
      if (storage.cut_in_replace >= 0) ++cut_in_replace[storage.cut_in_replace];
      storage.CutPower(rename_survives ? 30'000 : 0);
      storage.power_until = -1;
      const absl::Status again = reader.Live(storage);
      ASSERT_TRUE(again.ok()) << again;
      for (uint8_t n = 1; n <= Reader::kBroadcasts; ++n) {
        ASSERT_LE(reader.unflagged[n], 1) << "shown twice: " << int{n};
        ASSERT_GE(reader.unflagged[n] + reader.flagged[n], 1) << "never shown: " << int{n};
      }
    }
  }
  // The one that makes the file, that of the start, and that of the file grown too large.
  for (int step = 0; step < MemoryStorage::kReplaceSteps; ++step) {
    EXPECT_GE(cut_in_replace[step], 2 * 3) << "step " << step;
  }
}

TEST_F(BroadcastJournalTest, IdsAreForgottenWellAfterRetention) {
  auto journal = Open();
  ASSERT_TRUE(journal->Append(MakeEntry(1)).ok());
  ASSERT_TRUE(journal->Sync().ok());
  ASSERT_TRUE(journal->MarkShown(MakeEntry(1).id).ok());
  journal = Open(kNow + std::chrono::minutes(89));
  EXPECT_EQ(journal->size(), 1u);
  journal = Open(kNow + std::chrono::minutes(91));
  EXPECT_EQ(journal->size(), 0u);
}

TEST_F(BroadcastJournalTest, WhatNobodySawIsKeptHoweverOld) {
  auto journal = Open();
  ASSERT_TRUE(journal->Append(MakeEntry(1)).ok());
  ASSERT_TRUE(journal->Sync().ok());
  journal = Open(kNow + std::chrono::hours(100));
  EXPECT_THAT(journal->TakeUnshown(), ElementsAre(MakeEntry(1)));
}

TEST_F(BroadcastJournalTest, AnEndBeyondAllTimeIsOneThatDoesNotCome) {
  auto entry = MakeEntry(1);
  entry.expires_at = WallTime::max();
  auto journal = Open();
  ASSERT_TRUE(journal->Append(entry).ok());
  ASSERT_TRUE(journal->Sync().ok() && journal->MarkShown(entry.id).ok());
  journal = Open(kNow + std::chrono::hours(24));
  EXPECT_EQ(journal->Find(entry.id), State::kDurable);
}

TEST_F(BroadcastJournalTest, CompactionKeepsTheFileSmallAndTheIdsKnown) {
  auto journal = Open();
  const std::string text(50'000, 'x');
  for (uint8_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(journal->Append(MakeEntry(i, text)).ok());
    ASSERT_TRUE(journal->Sync().ok());
    ASSERT_TRUE(journal->MarkShown(MakeEntry(i).id).ok());
    ASSERT_TRUE(journal->Compact(kNow, 1h).ok());
    ASSERT_LE(journal->file_size(), 1'200'000u);
  }
  journal = Open();
  EXPECT_EQ(journal->size(), 100u);
  EXPECT_THAT(journal->TakeUnshown(), IsEmpty());
}

TEST_F(BroadcastJournalTest, WhatWasShownCanBeTakenBackAfterRestartsAndCompaction) {
  auto journal = Open();
  const std::string text = std::string(BroadcastJournal::kSeenText - 1, 'x') + "äöü";
  ASSERT_TRUE(journal->Append(MakeEntry(1, text)).ok());
  ASSERT_TRUE(journal->Append(MakeEntry(2)).ok());
  ASSERT_TRUE(journal->Sync().ok());
  ASSERT_TRUE(journal->MarkShown(MakeEntry(1).id).ok());
  for (int restarts = 0; restarts < 3; ++restarts) journal = Open();
  EXPECT_EQ(journal->Via(MakeEntry(1).id), 1);
  auto shown = journal->TakeBack(MakeEntry(1).id, kNow);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->sender_name, "alice");
  EXPECT_EQ(shown->sent_at, kNow);
  EXPECT_EQ(shown->text, std::string(BroadcastJournal::kSeenText - 1, 'x') + "…");
  // What nobody saw yet is not shown from here on.
  EXPECT_FALSE(journal->TakeBack(MakeEntry(2).id, kNow));
  for (int restarts = 0; restarts < 3; ++restarts) {
    journal = Open();
    EXPECT_THAT(journal->TakeUnshown(), IsEmpty());
    EXPECT_FALSE(journal->TakeBack(MakeEntry(1).id, kNow)) << "said once";
    EXPECT_EQ(journal->Find(MakeEntry(1).id), State::kDurable);
    EXPECT_EQ(journal->Find(MakeEntry(2).id), State::kDurable);
  }
}

TEST_F(BroadcastJournalTest, WhatIsRememberedOfTakenBackOnesIsBounded) {
  auto journal = Open();
  const auto id = [](size_t n) {
    BroadcastId out;
    out.bytes[0] = static_cast<uint8_t>(n);
    out.bytes[1] = static_cast<uint8_t>(n >> 8);
    out.bytes[2] = 1;
    return out;
  };
  for (size_t n = 0; n <= BroadcastJournal::kMaxRefused; ++n) {
    EXPECT_FALSE(journal->TakeBack(id(n), kNow + std::chrono::minutes(30)));
  }
  EXPECT_EQ(journal->size(), BroadcastJournal::kMaxRefused);
  EXPECT_FALSE(journal->IsTakenBack(id(0)));
  EXPECT_TRUE(journal->IsTakenBack(id(BroadcastJournal::kMaxRefused)));
  journal = Open();
  EXPECT_EQ(journal->size(), BroadcastJournal::kMaxRefused);
  journal = Open(kNow + std::chrono::minutes(91));
  EXPECT_EQ(journal->size(), 0u);
}

TEST_F(BroadcastJournalTest, FailedSyncAcknowledgesNothingEverAfter) {
  auto journal = Open();
  ASSERT_TRUE(journal->Append(MakeEntry(1)).ok());
  storage_.error = absl::UnavailableError("disk");
  EXPECT_FALSE(journal->Sync().ok());
  EXPECT_EQ(journal->Find(MakeEntry(1).id), State::kUnsynced);
  storage_.error = absl::OkStatus();
  EXPECT_FALSE(journal->Sync().ok()) << "a failed fsync is not tried again";
  EXPECT_FALSE(journal->Append(MakeEntry(2)).ok());
}

}  // namespace
}  // namespace p2p::client
