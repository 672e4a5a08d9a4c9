// Two sides of one conversation in virtual time: the unchanged session, conversation and journal, a
// stream between them that can be cut after any byte, and disks that lose what was not synced.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "peer-client/chat/durable.h"
#include "tests/fakes/memory_storage.h"

namespace p2p::sim {

// What one user would see, and what the program must never do. `problems` stays empty.
class ChatSide {
 public:
  ChatSide(std::string name, client::LinkRole role, const config::Timing& timing, Random& random);

  // The user says something. False: the disk failed, the program is down.
  bool Say(const std::string& text, MonoTime now);
  void Connect(bool dialler, const Bytes& exporter, const client::LinkSecret& link, RequestId id,
               MonoTime now);
  void Cut() { session_.reset(); }
  // The program dies; what was not synced is gone but for `torn` bytes. It is up again at once.
  void Crash(size_t torn);
  // The program alone dies, and is up again at once: what it wrote is there, synced or not.
  void Kill() { Start(); }
  // It dies at the so-manieth next use of the disk.
  void CrashAtDiskUse(int uses) { storage_.power_until = storage_.uses + uses; }
  bool down() const { return down_; }

  void Feed(ByteView bytes, MonoTime now);
  Bytes TakeOutput(MonoTime now);
  void OnTimer(MonoTime now);
  std::optional<MonoTime> NextDeadline() const;
  // Marks the oldest message on the screen as shown; false: all are.
  bool MarkOneShown();

  bool connected() const { return session_ != nullptr && !session_->closed(); }
  bool open() const { return connected() && session_->open(); }
  size_t waiting() const { return conversation_->waiting(); }
  bool EverJournalled(const MessageId& id) const { return journalled_.contains(id); }

  client::ChatSession* session() { return session_.get(); }
  std::vector<std::string> said;       // OK'd, in order.
  std::set<std::string> unsure;        // The disk failed meanwhile: not promised, and perhaps sent.
  std::vector<std::string> seen;       // Shown for the first time, in order.
  std::vector<std::string> delivered;  // Receipts, in order.
  std::vector<std::string> problems;
  std::function<bool(const MessageId&)> peer_has;  // Whether the peer has it on disk.

 private:
  void Start();
  void Show(const client::IncomingMessage& message, bool replayed);
  void Take(std::vector<client::SessionEvent>& events, MonoTime now);
  void Problem(const std::string& what) { problems.push_back(name_ + ": " + what); }

  const std::string name_;
  const client::LinkRole role_;
  const config::Timing timing_;
  Random& random_;
  client::MemoryStorage storage_;
  std::unique_ptr<client::ChatJournal> journal_;
  std::unique_ptr<client::Conversation> conversation_;
  std::unique_ptr<client::ChatSession> session_;
  bool down_ = false;
  std::map<MessageId, std::string> texts_;  // Of what was said.
  std::set<MessageId> journalled_;          // Received and confirmed, ever.
  std::set<MessageId> screen_;              // Ever shown.
  std::deque<MessageId> to_mark_;
  std::set<MessageId> receipted_;
};

// The two and what is between them.
class ChatWorld {
 public:
  explicit ChatWorld(uint64_t seed);

  ChatSide& alice() { return alice_; }
  ChatSide& bob() { return bob_; }
  Random& random() { return random_; }
  MonoTime now() const { return now_; }

  void Connect(bool alice_dials);
  void Cut();
  bool up() const { return alice_.connected() && bob_.connected(); }
  // Hands over at most `most` bytes to that side.
  void Carry(ChatSide& to, size_t most);
  // Time passes; timers run.
  void Advance(Duration d);
  // Whoever is down is up again; both are connected and everything is carried until nothing waits.
  // False: that did not happen within an hour of virtual time.
  bool Settle();
  // Problems of both sides, and what is missing, doubled or out of order at the end.
  std::vector<std::string> Check();
  uint64_t carried() const { return carried_; }

 private:
  std::deque<uint8_t>& Pipe(const ChatSide& to) { return &to == &alice_ ? to_alice_ : to_bob_; }
  void Collect();

  SeededRandom random_;
  config::Timing timing_;
  MonoTime now_{1h};
  RequestId id_;
  client::LinkSecret link_;
  uint64_t connections_ = 0;
  uint64_t carried_ = 0;
  ChatSide alice_, bob_;
  std::deque<uint8_t> to_alice_, to_bob_;
};

}  // namespace p2p::sim
