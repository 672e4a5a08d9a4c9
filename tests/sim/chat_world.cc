#include "tests/sim/chat_world.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace p2p::sim {
namespace {

constexpr char kJournal[] = "journal";

}  // namespace

ChatSide::ChatSide(std::string name, client::LinkRole role, const config::Timing& timing,
                   Random& random)
    : name_(std::move(name)), role_(role), timing_(timing), random_(random) {
  Start();
}

void ChatSide::Start() {
  down_ = false;
  storage_.power_until = -1;
  session_.reset();
  to_mark_.clear();
  auto journal = client::ChatJournal::Open(storage_, kJournal);
  P2P_CHECK(journal.ok());
  journal_ = *std::move(journal);
  conversation_ = std::make_unique<client::Conversation>(journal_->history());
  for (const auto& message : journal_->history().unshown) {
    journalled_.insert(message.id);
    Show(message, /*replayed=*/true);
  }
}

void ChatSide::Crash(size_t torn) {
  // What was confirmed must still be there: counted by seq, which has no gaps.
  const uint64_t confirmed = conversation_->journalled();
  storage_.CutPower(torn);
  Start();
  if (conversation_->journalled() < confirmed) Problem("a confirmed message is not on the disk");
}

bool ChatSide::Say(const std::string& text, MonoTime now) {
  const auto id = random_.NewId<MessageId>();
  texts_[id] = text;
  const auto sent = client::SendDurably(*journal_, *conversation_, id, text,
                                        WallFromMs(now.time_since_epoch() / 1ms));
  if (absl::IsResourceExhausted(sent.status())) return true;  // Refused, and said so.
  if (!sent.ok()) {
    unsure.insert(text);
    down_ = true;
    session_.reset();
    return false;
  }
  said.push_back(text);
  return true;
}

void ChatSide::Connect(bool dialler, const Bytes& exporter, const client::LinkSecret& link,
                       RequestId id, MonoTime now) {
  session_ = std::make_unique<client::ChatSession>(
      client::SessionSetup{.intro_id = id,
                           .role = role_,
                           .dialler = dialler,
                           .controller = role_ == client::LinkRole::kRequester,
                           .link = link.Clone(),
                           .exporter = exporter},
      timing_, *conversation_, now);
}

void ChatSide::Show(const client::IncomingMessage& message, bool replayed) {
  if (screen_.insert(message.id).second) {
    seen.push_back(message.text);
  } else if (!replayed) {
    Problem(absl::StrCat("'", message.text, "' is shown twice, unflagged"));
  }
  to_mark_.push_back(message.id);
}

bool ChatSide::MarkOneShown() {
  if (to_mark_.empty() || down_) return false;
  const auto seq = client::NoteShown(*journal_, to_mark_.front());
  to_mark_.pop_front();
  (void)journal_->Flush();
  if (seq && open()) session_->MarkRead(*seq);
  return true;
}

void ChatSide::Feed(ByteView bytes, MonoTime now) {
  if (!connected() || down_) return;
  std::vector<client::SessionEvent> events;
  session_->OnBytes(bytes, now, events);
  Take(events, now);
}

void ChatSide::Take(std::vector<client::SessionEvent>& events, MonoTime now) {
  if (!client::JournalReceived(*journal_, *conversation_, events).ok()) {
    down_ = true;  // As the client does: nothing more until the next start.
    return session_.reset();
  }
  for (const client::SessionEvent& event : events) {
    if (const auto* received = std::get_if<client::SessionMessage>(&event)) {
      journalled_.insert(received->message.id);
      Show(received->message, /*replayed=*/false);
    } else if (std::holds_alternative<client::SessionProven>(event)) {
      if (role_ == client::LinkRole::kRequester) session_->Select(now);
      std::vector<client::SessionEvent> behind;
      session_->Continue(now, behind);
      Take(behind, now);
      if (session_ == nullptr) return;
    } else if (const auto* receipts = std::get_if<client::SessionReceipts>(&event)) {
      for (const client::Receipt& receipt : receipts->receipts) {
        (void)journal_->AppendReceipt(receipt.seq, receipt.read);
        if (!peer_has(receipt.id)) Problem("a receipt for what the peer has not on its disk");
        if (receipt.read || !receipted_.insert(receipt.id).second) continue;
        delivered.push_back(texts_[receipt.id]);
      }
    }
  }
  (void)journal_->Flush();
  if (session_ != nullptr && session_->closed() &&
      session_->end() != client::SessionEnd::kReplaced) {
    Problem(absl::StrCat("the session ended: ", client::SessionEndText(session_->end())));
  }
}

Bytes ChatSide::TakeOutput(MonoTime now) {
  return connected() && !down_ ? session_->TakeOutput(now) : Bytes();
}

void ChatSide::OnTimer(MonoTime now) {
  if (connected()) session_->OnTimer(now);
}

std::optional<MonoTime> ChatSide::NextDeadline() const {
  if (!connected()) return std::nullopt;
  std::optional<MonoTime> next = session_->NextDeadline();
  const auto send = session_->SendAllowedAt();
  return !next || (send && *send < *next) ? send : next;
}

// ---- Both ---------------------------------------------------------------------------------------

ChatWorld::ChatWorld(uint64_t seed)
    : random_(seed),
      link_(random_.Array<wire::kLinkSize>()),
      alice_("alice", client::LinkRole::kRequester, timing_, random_),
      bob_("bob", client::LinkRole::kTarget, timing_, random_) {
  id_ = random_.NewId<RequestId>();
  alice_.peer_has = [this](const MessageId& id) { return bob_.EverJournalled(id); };
  bob_.peer_has = [this](const MessageId& id) { return alice_.EverJournalled(id); };
}

void ChatWorld::Connect(bool alice_dials) {
  Cut();
  for (ChatSide* side : {&alice_, &bob_}) {
    if (!side->down()) continue;
    if (random_.Below(2) == 0) {
      side->Kill();
    } else {
      side->Crash(random_.Below(40));
    }
  }
  const Bytes exporter(32, static_cast<uint8_t>(++connections_));
  alice_.Connect(alice_dials, exporter, link_, id_, now_);
  bob_.Connect(!alice_dials, exporter, link_, id_, now_);
}

void ChatWorld::Cut() {
  alice_.Cut();
  bob_.Cut();
  to_alice_.clear();
  to_bob_.clear();
}

void ChatWorld::Collect() {
  const auto take = [this](ChatSide& from, std::deque<uint8_t>& pipe) {
    const Bytes out = from.TakeOutput(now_);
    pipe.insert(pipe.end(), out.begin(), out.end());
  };
  take(alice_, to_bob_);
  take(bob_, to_alice_);
}

void ChatWorld::Carry(ChatSide& to, size_t most) {
  Collect();
  std::deque<uint8_t>& pipe = Pipe(to);
  const size_t n = std::min(most, pipe.size());
  if (n == 0) return;
  const Bytes bytes(pipe.begin(), pipe.begin() + static_cast<ptrdiff_t>(n));
  pipe.erase(pipe.begin(), pipe.begin() + static_cast<ptrdiff_t>(n));
  carried_ += n;
  to.Feed(bytes, now_);
}

void ChatWorld::Advance(Duration d) {
  const MonoTime end = now_ + d;
  while (now_ < end) {
    MonoTime next = end;
    for (const ChatSide* side : {&alice_, &bob_}) {
      if (const auto at = side->NextDeadline()) next = std::min(next, std::max(*at, now_ + 1ms));
    }
    now_ = next;
    alice_.OnTimer(now_);
    bob_.OnTimer(now_);
    Collect();
  }
}

bool ChatWorld::Settle() {
  const MonoTime end = now_ + 1h;
  while (now_ < end) {
    if (alice_.down() || bob_.down() || !up()) Connect(random_.Below(2) == 0);
    for (int i = 0; i < 8; ++i) {
      Carry(bob_, SIZE_MAX);
      Carry(alice_, SIZE_MAX);
    }
    while (alice_.MarkOneShown() || bob_.MarkOneShown()) {
    }
    const bool quiet = to_alice_.empty() && to_bob_.empty();
    if (up() && quiet && alice_.waiting() == 0 && bob_.waiting() == 0) return true;
    Advance(20ms);
  }
  return false;
}

std::vector<std::string> ChatWorld::Check() {
  std::vector<std::string> out = alice_.problems;
  out.insert(out.end(), bob_.problems.begin(), bob_.problems.end());
  const auto compare = [&](const ChatSide& from, const ChatSide& to, const char* way) {
    std::vector<std::string> seen = to.seen;
    std::erase_if(seen, [&](const std::string& text) { return from.unsure.contains(text); });
    if (seen != from.said) {
      out.push_back(absl::StrCat(way, ": ", from.said.size(), " said, ", to.seen.size(),
                                 " seen, or in another order"));
    }
  };
  compare(alice_, bob_, "alice to bob");
  compare(bob_, alice_, "bob to alice");
  return out;
}

}  // namespace p2p::sim
