#include "peer-client/state/chat_journal.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "peer-client/state/link_records.h"
#include "tests/fakes/memory_storage.h"

namespace p2p::client {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::SizeIs;

MessageId IdOf(uint8_t n) {
  MessageId id;
  id.bytes[0] = n;
  return id;
}
OutgoingMessage Out(uint8_t seq, const std::string& text = "out") {
  return {.id = IdOf(seq), .seq = seq, .text = text, .sent_at = WallFromMs(1000 + seq)};
}
IncomingMessage In(uint8_t seq, const std::string& text = "in") {
  return {.id = IdOf(seq), .seq = seq, .text = text, .sent_at = WallFromMs(2000 + seq)};
}

std::unique_ptr<ChatJournal> OpenJournal(MemoryStorage& storage) {
  auto journal = ChatJournal::Open(storage, "chat");
  EXPECT_TRUE(journal.ok()) << journal.status();
  return *std::move(journal);
}

TEST(ChatJournalTest, SyncedMessagesSurviveAPowerCutOthersDoNot) {
  MemoryStorage storage;
  {
    auto journal = OpenJournal(storage);
    ASSERT_TRUE(journal->AppendOutgoing(Out(1)).ok());
    ASSERT_TRUE(journal->AppendIncoming(In(1)).ok());
    ASSERT_TRUE(journal->Sync().ok());
    ASSERT_TRUE(journal->AppendOutgoing(Out(2)).ok());
  }
  storage.CutPower(5);
  const ChatHistory history = OpenJournal(storage)->history();
  EXPECT_THAT(history.undelivered, ElementsAre(Out(1)));
  EXPECT_THAT(history.unshown, ElementsAre(In(1)));
  EXPECT_EQ(history.last_out, 1u);
  EXPECT_EQ(history.last_in, 1u);
}

// A process that was killed before its sync leaves records that only the cache of the system holds.
TEST(ChatJournalTest, WhatIsReadAtTheStartSurvivesAPowerCut) {
  MemoryStorage storage;
  {
    auto journal = OpenJournal(storage);
    ASSERT_TRUE(journal->AppendIncoming(In(1)).ok());
  }
  ASSERT_EQ(OpenJournal(storage)->history().last_in, 1u);
  storage.CutPower();
  const ChatHistory history = OpenJournal(storage)->history();
  EXPECT_EQ(history.last_in, 1u);
  EXPECT_THAT(history.unshown, ElementsAre(In(1)));
}

TEST(ChatJournalTest, AJournalThatCannotBeMadeDurableIsNotOpened) {
  MemoryStorage storage;
  ASSERT_TRUE(OpenJournal(storage)->AppendIncoming(In(1)).ok());
  storage.error = absl::ResourceExhaustedError("no space");
  EXPECT_FALSE(ChatJournal::Open(storage, "chat").ok());
}

TEST(ChatJournalTest, ReceiptsAndShownMarksSettleMessages) {
  MemoryStorage storage;
  {
    auto journal = OpenJournal(storage);
    for (uint8_t seq = 1; seq <= 3; ++seq) {
      ASSERT_TRUE(journal->AppendOutgoing(Out(seq)).ok());
      ASSERT_TRUE(journal->AppendIncoming(In(seq)).ok());
    }
    ASSERT_TRUE(journal->AppendReceipt(2, false).ok());
    ASSERT_TRUE(journal->AppendReceipt(1, true).ok());
    ASSERT_TRUE(journal->AppendShown(2).ok());
    EXPECT_TRUE(journal->deferred());
    ASSERT_TRUE(journal->Flush().ok());
  }
  const ChatHistory history = OpenJournal(storage)->history();
  EXPECT_THAT(history.undelivered, ElementsAre(Out(3)));
  EXPECT_THAT(history.unread, ElementsAre(Pair(2, IdOf(2))));
  EXPECT_THAT(history.unshown, ElementsAre(In(3)));
  EXPECT_EQ(history.delivered_up_to, 2u);
  EXPECT_EQ(history.read_up_to, 1u);
}

TEST(ChatJournalTest, ALargeJournalIsCompactedAndSaysTheSame) {
  MemoryStorage storage;
  const std::string large(16 * 1024, 'x');
  ChatHistory before;
  {
    auto journal = OpenJournal(storage);
    for (uint64_t seq = 1; seq <= 1200; ++seq) {
      OutgoingMessage message = Out(1, large);
      message.seq = seq;
      ASSERT_TRUE(journal->AppendOutgoing(message).ok());
      if (seq > 3) {
        ASSERT_TRUE(journal->AppendReceipt(seq - 3, false).ok());
      }
      ASSERT_TRUE(journal->Sync().ok());
    }
    ASSERT_TRUE(journal->AppendIncoming(In(1)).ok());
    before = journal->history();
  }
  EXPECT_LT(storage.Raw("chat").size(), 16u * 1024 * 1024);
  const ChatHistory after = OpenJournal(storage)->history();
  EXPECT_EQ(after.last_out, 1200u);
  EXPECT_EQ(after.undelivered, before.undelivered);
  EXPECT_EQ(after.unread, before.unread);
  EXPECT_THAT(after.unread, SizeIs(1000));
  EXPECT_EQ(after.delivered_up_to, 1197u);
  EXPECT_THAT(after.unshown, ElementsAre(In(1)));
}

TEST(ChatJournalTest, AGapInWhatIsReceivedIsAnError) {
  MemoryStorage storage;
  auto journal = OpenJournal(storage);
  EXPECT_TRUE(absl::IsDataLoss(journal->AppendIncoming(In(2))));
  ASSERT_TRUE(journal->AppendIncoming(In(1)).ok());
  EXPECT_TRUE(absl::IsDataLoss(journal->AppendIncoming(In(1))));
  EXPECT_EQ(journal->history().last_in, 1u);
}

// A message that was sent again on a new link has another seq and the same id.
TEST(ChatJournalTest, AnIdThatIsKnownIsCountedAndNotShown) {
  MemoryStorage storage;
  IncomingMessage again = In(1);
  {
    auto journal = OpenJournal(storage);
    ASSERT_TRUE(journal->AppendReceived({IdOf(1), IdOf(7)}).ok());
    ASSERT_TRUE(journal->AppendIncoming(again).ok());
    ASSERT_TRUE(journal->AppendIncoming(In(2)).ok());
    again.seq = 3;
    again.id = IdOf(2);
    ASSERT_TRUE(journal->AppendIncoming(again).ok());
    ASSERT_TRUE(journal->Sync().ok());
  }
  for (int restart = 0; restart < 3; ++restart) {  // The first one compacts what was appended.
    storage.CutPower();
    const auto journal = OpenJournal(storage);
    EXPECT_EQ(journal->history().last_in, 3u) << restart;
    EXPECT_THAT(journal->history().unshown, ElementsAre(In(2))) << restart;
    for (const uint8_t id : {1, 2, 7}) {
      EXPECT_TRUE(journal->history().received.Contains(IdOf(id))) << restart;
    }
    EXPECT_FALSE(journal->history().received.Contains(IdOf(3))) << restart;
  }
}

TEST(ChatJournalTest, TheNewestThousandReceivedIdsAreKnown) {
  MemoryStorage storage;
  const auto id = [](uint64_t n) {
    MessageId out;
    out.bytes[0] = static_cast<uint8_t>(n);
    out.bytes[1] = static_cast<uint8_t>(n >> 8);
    return out;
  };
  {
    auto journal = OpenJournal(storage);
    for (uint64_t seq = 1; seq <= 1500; ++seq) {
      IncomingMessage message = In(1);
      message.seq = seq;
      message.id = id(seq);
      ASSERT_TRUE(journal->AppendIncoming(message).ok());
    }
    ASSERT_TRUE(journal->AppendShown(1490).ok());
    ASSERT_TRUE(journal->Flush().ok());
  }
  for (int restart = 0; restart < 2; ++restart) {
    const auto journal = OpenJournal(storage);
    EXPECT_THAT(journal->history().received.ids(), SizeIs(1000));
    EXPECT_THAT(journal->history().unshown, SizeIs(10));
    EXPECT_FALSE(journal->history().received.Contains(id(500)));
    EXPECT_TRUE(journal->history().received.Contains(id(501)));
    EXPECT_TRUE(journal->history().received.Contains(id(1500)));
  }
}

TEST(ChatJournalTest, AFailedDiskIsReported) {
  MemoryStorage storage;
  auto journal = OpenJournal(storage);
  ASSERT_TRUE(journal->AppendOutgoing(Out(1)).ok());
  storage.error = absl::ResourceExhaustedError("no space");
  EXPECT_FALSE(journal->Sync().ok());
  storage.error = absl::OkStatus();
  EXPECT_FALSE(journal->AppendIncoming(In(1)).ok());
}

// The messages are on the disk, so they are said; the next one is not.
TEST(ChatJournalTest, AFailedCompactionDoesNotTakeBackWhatWasSynced) {
  MemoryStorage storage;
  {
    auto journal = OpenJournal(storage);
    uint64_t seq = 0;
    while (storage.Raw("chat").size() < 16u * 1024 * 1024) {
      OutgoingMessage message = Out(1, std::string(64 * 1024, 'x'));
      message.seq = ++seq;
      ASSERT_TRUE(journal->AppendOutgoing(message).ok());
    }
    storage.power_until = storage.uses + 1;  // For the sync.
    EXPECT_TRUE(journal->Sync().ok());
    EXPECT_FALSE(journal->AppendOutgoing(Out(1)).ok());
    storage.power_until = -1;
  }
  storage.CutPower();
  EXPECT_GE(OpenJournal(storage)->history().undelivered.size(), 255u);
}

LinkRecord SampleRecord(uint8_t seed) {
  LinkRecord record;
  record.id.bytes[0] = seed;
  record.we_requested = true;
  record.we_control = true;
  record.me.uid.bytes[0] = 1;
  record.me.name = "alice";
  record.me.device_key = {};
  record.me.nonce = {};
  record.peer = record.me;
  record.peer.uid.bytes[0] = 2;
  record.peer.name = "bob";
  record.peer.chat_port = 4401;
  record.peer.candidates = {*net::SocketAddress::Parse("10.0.0.7:4400")};
  record.secret.mutable_view()[0] = 0x5A;
  record.approval_until = WallFromMs(1'700'000'000'000 + seed);
  return record;
}

TEST(LinkRecordTest, RoundTripAndEveryTruncation) {
  for (const bool requested : {true, false}) {
    LinkRecord record = SampleRecord(7);
    record.we_requested = requested;
    record.hanging_up = requested;
    record.ended = !requested;
    const Bytes bytes = SerializeLinkRecord(record);
    const auto parsed = ParseLinkRecord(bytes);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->we_requested, requested);
    EXPECT_EQ(parsed->hanging_up, requested);
    EXPECT_EQ(parsed->ended, !requested);
    EXPECT_TRUE(parsed->we_control);
    EXPECT_EQ(parsed->me, record.me);
    EXPECT_EQ(parsed->peer, record.peer);
    EXPECT_EQ(parsed->approval_until, record.approval_until);
    EXPECT_EQ(HexEncode(parsed->secret.view()), HexEncode(record.secret.view()));
    for (size_t n = 0; n < bytes.size(); ++n) {
      EXPECT_FALSE(ParseLinkRecord(ByteView(bytes).first(n))) << n;
    }
  }
}

TEST(LinkRecordTest, TheStoreKeepsPrivateFilesAndForgetsCompletely) {
  std::string directory = ::testing::TempDir() + "/links.XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  DiskStorage storage;
  auto store = LinkRecordStore::Open(storage, directory + "/links");
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE(store->Put(SampleRecord(2)).ok());
  ASSERT_TRUE(store->Put(SampleRecord(1)).ok());
  ASSERT_TRUE(storage.Replace(store->JournalPath(SampleRecord(1).id), "journal").ok());
  ASSERT_TRUE(storage.Replace(directory + "/links/broken.link", "no record").ok());
  const auto loaded = store->Load();
  ASSERT_TRUE(loaded.ok());
  ASSERT_THAT(loaded->records, SizeIs(2));
  EXPECT_EQ(loaded->records[0].id, SampleRecord(1).id);
  EXPECT_THAT(loaded->unreadable, ElementsAre("broken.link"));
  for (const auto& file : std::filesystem::directory_iterator(directory + "/links")) {
    struct stat info;
    ASSERT_EQ(::stat(file.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << file.path();
  }
  ASSERT_TRUE(store->Remove(SampleRecord(1).id).ok());
  EXPECT_FALSE(std::filesystem::exists(store->JournalPath(SampleRecord(1).id)));
  EXPECT_THAT(store->Load()->records, SizeIs(1));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace p2p::client
