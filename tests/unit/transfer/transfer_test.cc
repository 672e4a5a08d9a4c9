// Two transfer desks with frames carried between them by hand, and a peer that lies.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "common/base/text.h"
#include "common/crypto/os_random.h"
#include "common/wire/peer_link_limits.h"
#include "p2p/v1/chat.pb.h"
#include "peer-client/transfer/transfer_desk.h"
#include "tests/unit/transfer/scratch.h"

namespace p2p::client {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

FilePeer Person(const std::string& name, uint8_t uid, uint8_t key) {
  FilePeer out;
  out.name = name;
  out.uid.bytes.fill(uid);
  out.device_key.fill(key);
  return out;
}

TEST(TransferRecordTest, NumbersAreWholeAndTheirOwn) {
  TransferRecord record;
  record.size = 1234;
  const std::string good = SerializeTransfer(record);
  ASSERT_TRUE(ParseTransfer(good));
  const size_t at = good.find("1234");
  for (const char* bad : {"9e63", "-1", "1.5", "true", "\"1234\"", "18446744073709551616"}) {
    EXPECT_FALSE(ParseTransfer(std::string(good).replace(at, 4, bad))) << bad;
  }
}

const FilePeer kAlice = Person("alice", 1, 1);
const FilePeer kBob = Person("bob", 2, 2);

struct Side {
  Side(asio::io_context& loop, std::string own) : io(loop), name(std::move(own)) { Start(); }
  void Start() {
    desk.reset();
    TransferDesk::Hooks hooks;
    hooks.show = [this](Output o) { shown.push_back(std::move(o)); };
    hooks.wake = [this](const std::string&) { woken = true; };
    auto created =
        TransferDesk::Create(io, clock, random, scratch / "state", scratch / "got", hooks);
    ASSERT_TRUE(created.ok()) << created.status();
    desk = *std::move(created);
    (void)desk->Lane(name == "alice" ? kBob : kAlice);
  }
  std::vector<out::FileOffer> Offers() const { return All<out::FileOffer>(); }
  out::Transfer Last() const {
    const auto all = All<out::Transfer>();
    return all.empty() ? out::Transfer() : all.back();
  }
  template <class T>
  std::vector<T> All() const {
    std::vector<T> out;
    for (const Output& o : shown) {
      if (const auto* t = std::get_if<T>(&o)) out.push_back(*t);
    }
    return out;
  }
  // What a user sees in the folder, and what not.
  std::vector<std::string> Folder(bool hidden) const {
    std::vector<std::string> out;
    std::error_code none;
    for (const auto& e : fs::directory_iterator(scratch / "got", none)) {
      const std::string file = e.path().filename();
      if ((file[0] == '.') == hidden) out.push_back(file);
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  asio::io_context& io;
  std::string name;
  Scratch scratch;
  ManualClock clock;
  crypto::OsRandom random;
  std::vector<Output> shown;
  bool woken = false;  // Asked to be asked for frames.
  std::unique_ptr<TransferDesk> desk;
};

class TransferTest : public ::testing::Test {
 protected:
  TransferTest() { Open(); }
  void Open() {
    alice_.desk->OnOpen(kBob);
    bob_.desk->OnOpen(kAlice);
  }
  void Close() {
    alice_.desk->OnClosed(kBob);
    bob_.desk->OnClosed(kAlice);
  }
  // Until nothing moves, or so many chunks went over.
  void Pump(int chunks = 1'000'000) {
    for (bool moved = true; moved && chunks > 0;) {
      io_.restart();
      moved = io_.poll() > 0;
      moved = Carry(alice_, kBob, bob_, kAlice, chunks) || moved;
      moved = Carry(bob_, kAlice, alice_, kBob, chunks) || moved;
      for (Side* side : {&alice_, &bob_}) moved = std::exchange(side->woken, false) || moved;
    }
  }
  bool Carry(Side& from, const FilePeer& to_whom, Side& to, const FilePeer& from_whom,
             int& chunks) {
    v1::ChatFrame frame;
    if (chunks == 0 || !from.desk->Lane(to_whom)->NextFrame(frame)) return false;
    if (frame.has_file_chunk()) {
      --chunks;
      carried_ += frame.file_chunk().data().size();
    }
    EXPECT_TRUE(to.desk->Lane(from_whom)->OnFrame(frame)) << frame.ShortDebugString();
    return true;
  }
  std::string File(const std::string& name, size_t size) {
    const std::string path = alice_.scratch / name;
    std::ofstream(path) << std::string(size, 'x') << size;
    return path;
  }
  // A frame of a peer that keeps to nothing; false: the connection would end.
  bool Lie(const v1::ChatFrame& frame) { return bob_.desk->Lane(kAlice)->OnFrame(frame); }
  v1::ChatFrame OfferFrame(const std::string& name, uint64_t size,
                           const std::string& content = "") {
    v1::ChatFrame frame;
    auto& offer = *frame.mutable_file_offer();
    std::string id(FileId::kSize, 'i');
    id.back() = static_cast<char>('a' + lies_++);
    offer.set_file_id(id);
    offer.set_name(name);
    offer.set_size(size);
    offer.set_sha256(ToString(crypto::Sha256(AsBytes(content))));
    return frame;
  }
  v1::ChatFrame Chunk(const v1::ChatFrame& offer, uint64_t offset, const std::string& data) {
    v1::ChatFrame frame;
    frame.mutable_file_chunk()->set_file_id(offer.file_offer().file_id());
    frame.mutable_file_chunk()->set_offset(offset);
    frame.mutable_file_chunk()->set_data(data);
    return frame;
  }
  // A file of the state directory for each transfer that is remembered.
  static std::vector<std::string> Remembered(const Side& side) {
    std::vector<std::string> out;
    for (const auto& e : fs::directory_iterator(side.scratch / "state")) out.push_back(e.path());
    return out;
  }
  static std::string Reason(const Side& side) { return side.desk->List().entries.back().reason; }
  static std::string State(const Side& side) { return side.desk->List().entries.back().state; }
  void AcceptLast() {
    ASSERT_TRUE(bob_.desk->Accept(bob_.Offers().back().id).ok());
    io_.restart();
    io_.poll();
  }

  asio::io_context io_;
  Side alice_{io_, "alice"};
  Side bob_{io_, "bob"};
  uint64_t carried_ = 0;
  int lies_ = 0;
};

TEST_F(TransferTest, OnlyWhatWasAcceptedComes) {
  ASSERT_TRUE(alice_.desk->Offer("bob", File("a.txt", 200'000)).ok());
  Pump();
  ASSERT_EQ(bob_.Offers().size(), 1u);
  EXPECT_EQ(carried_, 0u);
  EXPECT_THAT(bob_.Folder(false), IsEmpty());
  ASSERT_TRUE(bob_.desk->Accept("").ok());
  Pump();
  EXPECT_EQ(bob_.Last().state, "done");
  EXPECT_EQ(alice_.Last().state, "done");
  EXPECT_THAT(bob_.Folder(false), ElementsAre("a.txt"));
  EXPECT_THAT(bob_.Folder(true), IsEmpty());
}

TEST_F(TransferTest, ACutCostsNoMoreThanWhatWasOnItsWay) {
  ASSERT_TRUE(alice_.desk->Offer("bob", File("a.bin", 5'000'000)).ok());
  Pump();
  ASSERT_TRUE(bob_.desk->Accept("").ok());
  for (int cut = 0; cut < 10; ++cut) {
    Pump(6);
    Close();
    if (cut == 3) alice_.Start();
    if (cut == 6) bob_.Start();
    Open();
  }
  Pump();
  ASSERT_EQ(bob_.Last().state, "done");
  EXPECT_EQ(fs::file_size(bob_.Last().path), 5'000'007u);
  EXPECT_EQ(carried_, 5'000'007u) << "everything carried was written before the cut";
}

TEST_F(TransferTest, APartThatIsNotWhatItWasIsSentAnew) {
  ASSERT_TRUE(alice_.desk->Offer("bob", File("a.bin", 1'000'000)).ok());
  Pump();
  ASSERT_TRUE(bob_.desk->Accept("").ok());
  Pump(6);
  Close();
  ASSERT_EQ(bob_.Folder(true).size(), 1u);
  std::fstream part(bob_.scratch / "got/" + bob_.Folder(true)[0], std::ios::in | std::ios::out);
  part.seekp(1000) << "tampered";
  part.close();
  Open();
  Pump();
  ASSERT_EQ(bob_.Last().state, "done");
  EXPECT_EQ(fs::file_size(bob_.Last().path), 1'000'007u);
}

TEST_F(TransferTest, TwoFilesShareTheWay) {
  ASSERT_TRUE(alice_.desk->Offer("bob", File("a", 1'000'000)).ok());
  ASSERT_TRUE(alice_.desk->Offer("bob", File("b", 1'000'000)).ok());
  Pump();
  for (const auto& offer : bob_.Offers()) ASSERT_TRUE(bob_.desk->Accept(offer.id).ok());
  Pump(12);
  for (const auto& entry : bob_.desk->List().entries) {
    EXPECT_GE(entry.bytes, 5u * 65536) << entry.name;
  }
  Pump();
  EXPECT_THAT(bob_.Folder(false), ElementsAre("a", "b"));
}

TEST_F(TransferTest, NothingIsOverwrittenAndNoLinkFollowed) {
  fs::create_directories(bob_.scratch / "got");
  std::ofstream(bob_.scratch / "got/a.txt") << "mine";
  const std::string target = bob_.scratch / "victim";
  std::ofstream(target) << "mine";
  fs::create_symlink(target, bob_.scratch / "got/a (2).txt");
  ASSERT_TRUE(alice_.desk->Offer("bob", File("a.txt", 10)).ok());
  Pump();
  ASSERT_TRUE(bob_.desk->Accept("").ok());
  Pump();
  EXPECT_THAT(bob_.Last().path, HasSubstr("a (3).txt"));
  EXPECT_EQ(fs::file_size(target), 4u);
  // A link where the part would be.
  ASSERT_TRUE(alice_.desk->Offer("bob", File("b.txt", 10)).ok());
  Pump();
  fs::create_symlink(target, bob_.scratch / ("got/." + bob_.Offers().back().id + ".part"));
  EXPECT_FALSE(bob_.desk->Accept("").ok());
  EXPECT_EQ(fs::file_size(target), 4u);
}

TEST_F(TransferTest, HostileNamesEndInTheFolderOrNowhere) {
  for (const char* name :
       {"../../escape", "/etc/cron.d/x", "..", "", "a\x1b[2Jb", "\u202egpj.exe"}) {
    const auto offer = OfferFrame(name, 0);
    ASSERT_TRUE(Lie(offer));
    if (bob_.Offers().empty() || bob_.desk->List().entries.empty()) continue;
    (void)bob_.desk->Accept(HexEncode(AsBytes(offer.file_offer().file_id())));
    io_.restart();
    io_.poll();
  }
  EXPECT_THAT(bob_.Folder(false), ElementsAre("a[2Jb", "escape", "gpj.exe", "x"));
  EXPECT_FALSE(fs::exists(bob_.scratch / "escape"));
}

TEST_F(TransferTest, SizesAndHashesThatLieLeaveNothing) {
  auto offer = OfferFrame("short", 10, "0123456789");
  ASSERT_TRUE(Lie(offer));
  AcceptLast();
  EXPECT_TRUE(Lie(Chunk(offer, 0, std::string(11, 'x'))));
  EXPECT_EQ(bob_.Last().state, "failed");
  EXPECT_THAT(bob_.Last().reason, HasSubstr("more came than was announced"));
  offer = OfferFrame("other", 10, "0123456789");
  ASSERT_TRUE(Lie(offer));
  AcceptLast();
  EXPECT_TRUE(Lie(Chunk(offer, 0, "9876543210")));
  EXPECT_EQ(bob_.Last().state, "failed");
  EXPECT_THAT(bob_.Last().reason, HasSubstr("SHA-256"));
  EXPECT_THAT(bob_.Folder(false), IsEmpty());
  EXPECT_THAT(bob_.Folder(true), IsEmpty());
}

TEST_F(TransferTest, AnOfferThatDoesNotFitIsRefusedBeforeAnythingIsWritten) {
  for (const uint64_t size : {uint64_t{1} << 40, ~uint64_t{0}}) {
    ASSERT_TRUE(Lie(OfferFrame("huge", size)));
    const absl::Status refused = bob_.desk->Accept(bob_.Offers().back().id);
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("not enough room"));
    EXPECT_THAT(bob_.Folder(true), IsEmpty());
    EXPECT_EQ(bob_.desk->List().entries.back().state, "offered") << "there may be room later";
  }
}

TEST_F(TransferTest, WhatBreaksTheProtocolEndsTheConnection) {
  const auto offer = OfferFrame("a", 100);
  ASSERT_TRUE(Lie(offer));
  EXPECT_TRUE(Lie(Chunk(offer, 0, "early"))) << "content before it was accepted is dropped";
  AcceptLast();
  EXPECT_FALSE(Lie(Chunk(offer, 5, "gap")));
  EXPECT_FALSE(Lie(Chunk(offer, 0, "")));
  v1::ChatFrame ack;
  ack.mutable_file_ack()->set_file_id(offer.file_offer().file_id());
  EXPECT_FALSE(Lie(ack)) << "an acknowledgement of what it sends itself";
  v1::ChatFrame no_id;
  no_id.mutable_file_offer()->set_file_id("short");
  EXPECT_FALSE(Lie(no_id));
  auto long_name = OfferFrame(std::string(201, 'n'), 1);
  EXPECT_FALSE(Lie(long_name));
  EXPECT_THAT(bob_.Folder(false), IsEmpty());
}

TEST_F(TransferTest, OffersHaveABound) {
  for (size_t i = 0; i < TransferDesk::kMostOpen + 5; ++i) {
    auto offer = OfferFrame(absl::StrCat("f", i), 1);
    offer.mutable_file_offer()->set_file_id(absl::StrCat(std::string(14, 'i'), 10 + i));
    EXPECT_TRUE(Lie(offer));
  }
  EXPECT_EQ(bob_.Offers().size(), TransferDesk::kMostOpen);
  v1::ChatFrame refusal;
  ASSERT_TRUE(bob_.desk->Lane(kAlice)->NextFrame(refusal));
  EXPECT_THAT(refusal.file_cancel().reason(), HasSubstr("too many"));
}

TEST_F(TransferTest, NobodyTouchesTheFilesOfAnother) {
  const auto offer = OfferFrame("a", 10, "0123456789");
  ASSERT_TRUE(Lie(offer));
  AcceptLast();
  v1::ChatFrame cancel;
  cancel.mutable_file_cancel()->set_file_id(offer.file_offer().file_id());
  const FilePeer mallory = Person("mallory", 66, 66);
  EXPECT_TRUE(bob_.desk->Lane(mallory)->OnFrame(cancel));
  EXPECT_TRUE(bob_.desk->Lane(mallory)->OnFrame(Chunk(offer, 0, "0123456789")));
  EXPECT_TRUE(bob_.desk->Lane(mallory)->OnFrame(offer)) << "refused: the id is in use";
  EXPECT_EQ(bob_.desk->List().entries.size(), 1u);
  EXPECT_EQ(bob_.desk->List().entries[0].state, "running");
  EXPECT_EQ(bob_.desk->List().entries[0].bytes, 0u);
}

// The account bob is gone, and another person signed up under the name.
TEST_F(TransferTest, ANewPersonOfTheNameGetsNothingOfTheFormerOne) {
  ASSERT_TRUE(alice_.desk->Offer("bob", File("salary.txt", 200'000)).ok());
  ASSERT_TRUE(alice_.desk->Offer("bob", File("half.bin", 800'000)).ok());
  Pump();
  for (const auto& offer : bob_.Offers()) {
    if (offer.name != "half.bin") continue;
    ASSERT_TRUE(bob_.desk->Accept(offer.id).ok());
  }
  Pump(5);
  Close();
  const FilePeer other = Person("Bob", 9, 9);
  v1::ChatFrame frame;
  FileLane* lane = alice_.desk->Lane(other);
  alice_.desk->OnOpen(other);
  EXPECT_FALSE(lane->NextFrame(frame)) << frame.ShortDebugString();
  for (const auto& entry : alice_.desk->List().entries) {
    EXPECT_EQ(entry.state, "failed");
    EXPECT_THAT(entry.reason, HasSubstr("a new person has the name bob"));
  }
  // Not with the ids either.
  v1::ChatFrame accept;
  accept.mutable_file_accept()->set_file_id(ToString(FileId::FromHex(bob_.Offers()[0].id)->view()));
  EXPECT_TRUE(lane->OnFrame(accept));
  ASSERT_TRUE(lane->NextFrame(frame));
  EXPECT_TRUE(frame.has_file_cancel());
  EXPECT_FALSE(lane->NextFrame(frame));
  // What is offered from now on is for the new one.
  ASSERT_TRUE(alice_.desk->Offer("bob", File("hello.txt", 10)).ok());
  io_.restart();
  io_.poll();
  ASSERT_TRUE(lane->NextFrame(frame));
  EXPECT_EQ(frame.file_offer().name(), "hello.txt");
  EXPECT_FALSE(alice_.desk->Lane(kBob)->NextFrame(frame));
}

TEST_F(TransferTest, WhatWasAgreedWithAFormerDeviceKeyIsOver) {
  ASSERT_TRUE(alice_.desk->Offer("bob", File("a.bin", 800'000)).ok());
  Pump();
  ASSERT_TRUE(bob_.desk->Accept("").ok());
  Pump(5);
  Close();
  alice_.desk->OnOpen(kBob);
  bob_.desk->OnOpen(Person("alice", 1, 7));
  EXPECT_EQ(State(bob_), "failed");
  EXPECT_THAT(Reason(bob_), HasSubstr("the device key of alice has changed"));
  EXPECT_THAT(bob_.Folder(true), IsEmpty()) << "the part is of no use any more";
  v1::ChatFrame frame;
  EXPECT_FALSE(bob_.desk->Lane(Person("alice", 1, 7))->NextFrame(frame));
}

TEST_F(TransferTest, WhatIsNotKnownWhoseItIsIsNotGoneOnWith) {
  ASSERT_TRUE(alice_.desk->Offer("bob", File("a.bin", 800'000)).ok());
  Pump();
  ASSERT_TRUE(bob_.desk->Accept("").ok());
  Pump(5);
  Close();
  for (Side* side : {&alice_, &bob_}) {
    side->desk.reset();
    for (const std::string& path : Remembered(*side)) {
      std::stringstream text;
      text << std::ifstream(path).rdbuf();
      auto json = nlohmann::json::parse(text.str());
      ASSERT_EQ(json.erase("peer_uid") + json.erase("peer_key"), 2u);
      std::ofstream(path) << json.dump();
    }
    side->Start();
    side->shown.clear();
    side->desk->ShowWaiting();
    EXPECT_EQ(side->Last().state, "failed");
    EXPECT_THAT(side->Last().reason, HasSubstr("begun by an older version"));
  }
  EXPECT_THAT(bob_.Folder(true), IsEmpty());
  Open();
  Pump();
  EXPECT_EQ(State(bob_), "failed");
}

// Each of both gives up while there is no connection, before or after it was accepted, with and
// without a restart in between: the other one hears of it, and by whom.
TEST_F(TransferTest, WhatIsGivenUpWhileApartIsOverForBoth) {
  for (const bool by_sender : {true, false}) {
    for (const bool accepted : {true, false}) {
      for (const bool restarted : {true, false}) {
        SCOPED_TRACE(absl::StrCat(by_sender, accepted, restarted));
        Side& gives_up = by_sender ? alice_ : bob_;
        const auto id = alice_.desk->Offer("bob", File("a.bin", 800'000));
        ASSERT_TRUE(id.ok()) << id.status();
        Pump();
        if (accepted) {
          ASSERT_TRUE(bob_.desk->Accept(*id).ok());
          Pump(5);
        }
        Close();
        ASSERT_TRUE(gives_up.desk->Cancel(*id).ok());
        if (restarted) gives_up.Start();
        Open();
        Pump();
        // What was not accepted yet is found out about at the latest then.
        if (State(bob_) == "offered") {
          ASSERT_TRUE(bob_.desk->Accept(*id).ok());
          Pump();
        }
        EXPECT_EQ(State(gives_up), "cancelled");
        EXPECT_EQ(Reason(gives_up), "by you");
        EXPECT_EQ(State(by_sender ? bob_ : alice_), "cancelled");
        EXPECT_EQ(Reason(by_sender ? bob_ : alice_), "by the peer");
        EXPECT_THAT(bob_.Folder(true), IsEmpty()) << "the part is of no use any more";
        Close();
        Open();
      }
    }
  }
}

TEST_F(TransferTest, APeerDoesNotSpeakForTheUser) {
  const auto offer = OfferFrame("a", 10);
  ASSERT_TRUE(Lie(offer));
  v1::ChatFrame cancel;
  cancel.mutable_file_cancel()->set_file_id(offer.file_offer().file_id());
  cancel.mutable_file_cancel()->set_reason("by you");
  ASSERT_TRUE(Lie(cancel));
  EXPECT_EQ(Reason(bob_), "by the peer: by you");
}

// One read may bring the answer that opens the conversation, and what follows it.
TEST_F(TransferTest, TheAnswerToWhatCameWithTheOpeningIsNotLost) {
  ASSERT_TRUE(alice_.desk->Offer("bob", File("a.txt", 10)).ok());
  Pump();
  ASSERT_TRUE(bob_.desk->Accept("").ok());
  v1::ChatFrame frame;
  for (bool done = false; !done;) {  // All but FILE_DONE arrives.
    io_.restart();
    io_.poll();
    while (alice_.desk->Lane(kBob)->NextFrame(frame)) Lie(frame);
    while (!done && bob_.desk->Lane(kAlice)->NextFrame(frame)) {
      done = frame.has_file_done();
      if (!done) alice_.desk->Lane(kBob)->OnFrame(frame);
    }
  }
  Close();
  alice_.desk->OnOpen(kBob);
  ASSERT_TRUE(alice_.desk->Lane(kBob)->NextFrame(frame));
  ASSERT_TRUE(frame.has_file_offer());
  ASSERT_TRUE(Lie(frame));
  bob_.desk->OnOpen(kAlice);
  Pump();
  EXPECT_EQ(State(alice_), "done");
}

TEST_F(TransferTest, AnswersThatNobodyTakesDoNotPileUp) {
  const auto offer = OfferFrame("a", 10);
  ASSERT_TRUE(Lie(offer));
  ASSERT_TRUE(bob_.desk->Cancel("").ok());
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(Lie(offer));
  v1::ChatFrame frame;
  size_t answers = 0;
  while (bob_.desk->Lane(kAlice)->NextFrame(frame)) ++answers;
  EXPECT_EQ(answers, 1u);
}

TEST_F(TransferTest, ThePeerHearsWhyButNotWhereThingsAre) {
  // Names of which a cut at 200 bytes would hit the middle of a letter, whatever comes before.
  for (const char* shift : {"", "x"}) {
    std::string folder = alice_.scratch / shift;
    for (int i = 0; i < 3; ++i) {
      folder += "/";
      for (int letter = 0; letter < 60; ++letter) folder += "é";
    }
    fs::create_directories(folder);
    const std::string path = folder + "/secret.txt";
    std::ofstream(path) << "something";
    ASSERT_TRUE(alice_.desk->Offer("bob", path).ok());
    Pump();
    fs::remove(path);
    Close();
    alice_.Start();
    Open();
    AcceptLast();
    Pump();
    EXPECT_EQ(State(alice_), "failed");
    EXPECT_THAT(Reason(alice_), HasSubstr(path)) << "our user may know";
    EXPECT_EQ(State(bob_), "cancelled");
    EXPECT_EQ(Reason(bob_), "by the peer: the file cannot be read there any more");
  }
  // The receiver's disk.
  ASSERT_TRUE(alice_.desk->Offer("bob", File("b.bin", 800'000)).ok());
  Pump();
  AcceptLast();
  Pump(5);
  Close();
  const std::string part = bob_.scratch / ("got/" + bob_.Folder(true).at(0));
  fs::remove(part);
  fs::create_symlink("/nowhere", part);
  Open();
  Pump();
  EXPECT_EQ(State(bob_), "failed");
  EXPECT_THAT(Reason(bob_), HasSubstr(".part"));
  EXPECT_EQ(State(alice_), "cancelled");
  EXPECT_EQ(Reason(alice_), "by the peer: the file cannot be written there");
}

TEST_F(TransferTest, ReasonsOfAReadableLengthReachThePeerWhole) {
  for (const absl::string_view told : kToldReasons) {
    EXPECT_LE(told.size(), wire::kMaxHangUpReason);
    EXPECT_TRUE(IsValidUtf8(told));
  }
}

// An approved peer that offers and takes back as fast as it may.
TEST_F(TransferTest, OffersThatAreTakenBackLeaveABoundedMark) {
  const auto offer_and_take_back = [&](int i) {
    auto offer = OfferFrame(absl::StrCat("f", i), 1);
    offer.mutable_file_offer()->set_file_id(absl::StrCat("id-of-the-", 100'000 + i));
    ASSERT_TRUE(Lie(offer));
    v1::ChatFrame cancel;
    cancel.mutable_file_cancel()->set_file_id(offer.file_offer().file_id());
    ASSERT_TRUE(Lie(cancel));
  };
  constexpr size_t kBurst = TransferDesk::kOfferBurst;
  for (int i = 0; i < 1000; ++i) offer_and_take_back(i);
  EXPECT_EQ(bob_.Offers().size(), kBurst);
  EXPECT_EQ(Remembered(bob_).size(), kBurst);
  EXPECT_EQ(bob_.desk->counters().Get(FileCount::kOfferOverRate), 1000 - kBurst);
  v1::ChatFrame refusal;
  ASSERT_TRUE(bob_.desk->Lane(kAlice)->NextFrame(refusal));
  EXPECT_THAT(refusal.file_cancel().reason(), HasSubstr("too many offers"));
  // Whoever keeps to the pace is heard, and what is over is forgotten in time.
  for (int i = 1000; i < 1160; ++i) {
    bob_.clock.Advance(1s);
    offer_and_take_back(i);
  }
  EXPECT_EQ(bob_.Offers().size(), kBurst + 160);
  EXPECT_LE(Remembered(bob_).size(), TransferStore::kMostOver + 1);
  EXPECT_LE(bob_.desk->List().entries.size(), TransferStore::kMostOver + 1);
}

TEST_F(TransferTest, WhoOffersKeepsToThePace) {
  const std::string path = File("a.txt", 1);
  for (size_t i = 0; i < TransferDesk::kMostOpen; ++i) {
    const auto id = alice_.desk->Offer("bob", path);
    ASSERT_TRUE(id.ok()) << id.status();
    ASSERT_TRUE(alice_.desk->Cancel(*id).ok());
  }
  EXPECT_EQ(alice_.desk->Offer("bob", path).status().code(), absl::StatusCode::kResourceExhausted);
  alice_.clock.Advance(1s);
  EXPECT_TRUE(alice_.desk->Offer("bob", path).ok());
}

TEST_F(TransferTest, AFileThatChangesOnItsWayComesToNothing) {
  const std::string path = File("a.bin", 5'000'000);
  ASSERT_TRUE(alice_.desk->Offer("bob", path).ok());
  Pump();
  ASSERT_TRUE(bob_.desk->Accept("").ok());
  Pump(10);
  ASSERT_EQ(State(bob_), "running");
  std::fstream(path, std::ios::in | std::ios::out).seekp(4'000'000) << "changed";
  Pump();
  EXPECT_EQ(State(alice_), "failed");
  EXPECT_THAT(Reason(alice_), HasSubstr("changed"));
  EXPECT_EQ(State(bob_), "cancelled");
  EXPECT_THAT(Reason(bob_), HasSubstr("changed"));
  EXPECT_THAT(bob_.Folder(false), IsEmpty());
  EXPECT_THAT(bob_.Folder(true), IsEmpty());
}

// As after a power cut: the length of the part is there, its content is not.
TEST_F(TransferTest, AWholePartThatIsNotTheFileIsSentAnew) {
  ASSERT_TRUE(alice_.desk->Offer("bob", File("a.bin", 1'000'000)).ok());
  Pump();
  ASSERT_TRUE(bob_.desk->Accept("").ok());
  Pump(6);
  Close();
  fs::resize_file(bob_.scratch / ("got/" + bob_.Folder(true).at(0)), 1'000'007);
  Open();
  Pump();
  ASSERT_EQ(State(bob_), "done") << Reason(bob_);
  EXPECT_EQ(State(alice_), "done");
  EXPECT_EQ(fs::file_size(bob_.Last().path), 1'000'007u);
}

TEST(TransferProgressTest, ToldOnceASecondWithASmoothRate) {
  TransferProgress progress;
  MonoTime now{1h};
  progress.Start(1000, now);
  EXPECT_FALSE(progress.Advance(2000, now + 500ms));
  EXPECT_TRUE(progress.Advance(5000, now + 2s));
  EXPECT_DOUBLE_EQ(progress.rate(), 2000);
  EXPECT_TRUE(progress.Advance(5000, now + 3s));
  EXPECT_DOUBLE_EQ(progress.rate(), 1200);
}

}  // namespace
}  // namespace p2p::client
