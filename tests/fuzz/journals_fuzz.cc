// The record log and the two journals on it: any bytes as a file, and any records under right
// checksums. What was read once is read again, torn tails are cut off once, and what is appended
// and synced to whatever was there survives the loss of power.
#include <algorithm>

#include "common/base/check.h"
#include "peer-client/state/broadcast_journal.h"
#include "peer-client/state/chat_journal.h"
#include "tests/fakes/memory_storage.h"
#include "tests/fuzz/op_stream.h"

namespace p2p::client {
namespace {

constexpr const char* kPath = "journal";
constexpr absl::string_view kChatMagic = "p2pchat1";
constexpr absl::string_view kBroadcastMagic = "p2pbcj1\n";
const WallTime kNow = WallFromMs(1'700'000'000'000);

std::vector<Bytes> ReadAll(LogStorage& storage, absl::string_view magic, size_t& dropped) {
  std::vector<Bytes> records;
  const auto log = RecordLog::Open(storage, kPath, magic, [&](ByteView record) {
    records.push_back(ToBytes(record));
    return absl::OkStatus();
  });
  P2P_CHECK(log.ok());
  dropped = (*log)->dropped_bytes();
  return records;
}

void CheckLog(MemoryStorage& storage, absl::string_view magic) {
  const size_t size = storage.Raw(kPath).size();
  size_t dropped = 0;
  const auto records = ReadAll(storage, magic, dropped);
  P2P_CHECK(storage.Raw(kPath).size() + dropped == size);
  size_t again = 0;
  P2P_CHECK(ReadAll(storage, magic, again) == records && again == 0);
}

bool Same(const ChatHistory& a, const ChatHistory& b) {
  return a.last_out == b.last_out && a.delivered_up_to == b.delivered_up_to &&
         a.read_up_to == b.read_up_to && a.last_in == b.last_in && a.shown_up_to == b.shown_up_to &&
         a.undelivered == b.undelivered && a.unread == b.unread && a.unshown == b.unshown;
}

ChatHistory Reopened(MemoryStorage& storage) {
  const auto journal = ChatJournal::Open(storage, kPath);
  P2P_CHECK(journal.ok());
  return (*journal)->history();
}

void CheckChat(MemoryStorage& storage, size_t torn) {
  auto opened = ChatJournal::Open(storage, kPath);
  if (!opened.ok()) {
    P2P_CHECK(absl::IsDataLoss(opened.status()));
    return;
  }
  const ChatHistory read = (*opened)->history();
  opened = ChatJournal::Open(storage, kPath);  // It writes anew what it has read.
  P2P_CHECK(opened.ok());
  ChatJournal& journal = **opened;
  P2P_CHECK(Same(read, journal.history()));
  const uint64_t out = journal.history().last_out + 1, in = journal.history().last_in + 1;
  P2P_CHECK(journal.AppendOutgoing({MessageId{{1}}, out, "said", kNow}).ok());
  P2P_CHECK(
      journal.AppendIncoming({MessageId{{0xfe, 0xed, 0xbe, 0xad, 2}}, in, "heard", kNow}).ok());
  P2P_CHECK(journal.Sync().ok());
  const ChatHistory durable = journal.history();
  P2P_CHECK(durable.undelivered.back().seq == out && durable.unshown.back().seq == in);
  P2P_CHECK(journal.AppendReceipt(out, true).ok() && journal.AppendShown(in).ok());
  storage.CutPower(torn);
  const ChatHistory after = Reopened(storage);
  // The receipts may be lost, one after the other; what was synced is not.
  P2P_CHECK(after.last_out == out && after.last_in == in);
  P2P_CHECK(after.read_up_to == durable.read_up_to || after.read_up_to == out);
  P2P_CHECK(after.shown_up_to == durable.shown_up_to || after.shown_up_to == in);
}

using Entries = std::vector<BroadcastJournal::Entry>;

Entries Sorted(Entries entries) {
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.id, a.text, a.sent_at, a.expires_at, a.sender_name, a.via) <
           std::tie(b.id, b.text, b.sent_at, b.expires_at, b.sender_name, b.via);
  });
  return entries;
}

void CheckBroadcasts(MemoryStorage& storage, size_t torn) {
  constexpr Duration kKeep = 1h;
  auto opened = BroadcastJournal::Open(storage, kPath, kNow, kKeep);
  if (!opened.ok()) {
    P2P_CHECK(absl::IsDataLoss(opened.status()));
    return;
  }
  const Entries unshown = Sorted((*opened)->TakeUnshown());
  auto newest = (*opened)->Newest(1000);
  auto again = BroadcastJournal::Open(storage, kPath, kNow, kKeep);
  P2P_CHECK(again.ok());
  BroadcastJournal& journal = **again;
  P2P_CHECK(Sorted(journal.TakeUnshown()) == unshown);
  // The same ones; a file that no client wrote may have them in another order.
  auto same = journal.Newest(1000);
  std::ranges::sort(newest);
  std::ranges::sort(same);
  P2P_CHECK(same == newest);
  for (const auto& entry : unshown) {
    P2P_CHECK(journal.Find(entry.id) == BroadcastJournal::State::kDurable);
  }
  const BroadcastId fresh{{0xfe, 0xed}};
  if (journal.Find(fresh) != BroadcastJournal::State::kUnknown) return;
  const BroadcastJournal::Entry entry{fresh, "alice", kNow, kNow + 30min, "tea", 1};
  P2P_CHECK(journal.Append(entry).ok());
  P2P_CHECK(journal.Find(fresh) == BroadcastJournal::State::kUnsynced && journal.Sync().ok());
  P2P_CHECK(journal.Newest(1).at(0) == fresh);
  P2P_CHECK(journal.MarkShown(fresh).ok());
  storage.CutPower(torn);
  auto after = BroadcastJournal::Open(storage, kPath, kNow, kKeep);
  P2P_CHECK(after.ok() && (*after)->Find(fresh) == BroadcastJournal::State::kDurable);
  Entries left = (*after)->TakeUnshown();
  // Shown or not: the mark was not synced.
  P2P_CHECK(left.size() == unshown.size() || left.size() == unshown.size() + 1);
}

void Check(fuzz::OpStream in) {
  const uint8_t form = in.U8();
  const size_t torn = in.U8();
  const absl::string_view magic = (form & 1) != 0 ? kBroadcastMagic : kChatMagic;
  MemoryStorage storage;
  if ((form & 2) != 0) {
    P2P_CHECK(storage.Replace(kPath, absl::StrCat(magic, AsText(in.Take(4096)))).ok());
  } else {
    auto log = RecordLog::Open(storage, kPath, magic, [](ByteView) { return absl::OkStatus(); });
    P2P_CHECK(log.ok());
    while (!in.empty()) {
      const size_t size = in.U8();
      const ByteView record = in.Take(size);
      if (!record.empty()) P2P_CHECK((*log)->Append(record).ok());
    }
    P2P_CHECK((*log)->Sync().ok());
    if ((form & 4) != 0) storage.Raw(kPath).append(torn, 'x');
  }
  CheckLog(storage, magic);
  if ((form & 1) != 0) {
    CheckBroadcasts(storage, torn);
  } else {
    CheckChat(storage, torn);
  }
}

}  // namespace
}  // namespace p2p::client

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  p2p::client::Check(p2p::fuzz::OpStream(p2p::ByteView(data, std::min<size_t>(size, 2048))));
  return 0;
}
