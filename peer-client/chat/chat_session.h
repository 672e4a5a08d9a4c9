// The peer link's protocol on one TLS connection: bytes and time in, bytes and events out. Pure.
// States: hello -> proven -> selecting -> open -> closed (proto/PEER_LINK.md).
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/config/timing.h"
#include "common/wire/frame_reader.h"
#include "peer-client/chat/conversation.h"
#include "peer-client/chat/file_lane.h"
#include "peer-client/chat/link_keys.h"
#include "peer-client/chat/rate.h"

namespace p2p::v1 {
class ChatFrame;
}

namespace p2p::client {

struct SessionSetup {
  RequestId intro_id;
  LinkRole role;  // Ours.
  bool dialler = false;
  bool controller = false;
  LinkSecret link;
  Bytes exporter;             // Of the TLS connection.
  FileLane* files = nullptr;  // Null: this client transfers no files. Outlives the session.
};

// Why a session ended. Everything but the first two is the peer's fault or the network's.
enum class SessionEnd {
  kHungUp,    // By either user; both sides know.
  kReplaced,  // Another connection was selected, or we are shutting down.
  kClosedByPeer,
  kBadFrame,   // Undecodable, too long, or out of order.
  kNotProven,  // HELLO's proof or id is wrong.
  kVersion,    // No common version.
  kSilent,     // Nothing heard for kSilentPings ping intervals.
  kSlow,       // HELLO, SELECT or SELECTED did not come in time.
  kStorage,    // Our journal failed.
  kNetwork,    // The transport broke; the rim knows more.
};
absl::string_view SessionEndText(SessionEnd end);

struct SessionProven {};  // Both proofs are right.
struct SessionOpen {};
struct SessionMessage {
  IncomingMessage message;
  bool repeated = false;  // Known from before by its id: not shown. Set by JournalReceived.
};
struct SessionReceipts {
  std::vector<Receipt> receipts;
};
struct SessionHungUp {
  std::string reason;  // Untrusted. Forget the link, then call AckHangUp.
};
struct SessionHangUpAcked {};
using SessionEvent = std::variant<SessionProven, SessionOpen, SessionMessage, SessionReceipts,
                                  SessionHungUp, SessionHangUpAcked>;

// One thread. `conversation` is shared with other connections of the link, of which at most one is
// open, and outlives the session.
class ChatSession {
 public:
  ChatSession(SessionSetup setup, const config::Timing& timing, Conversation& conversation,
              MonoTime now);

  // What the peer sent. Messages among the events must be journalled, then confirmed by
  // Conversation::ConfirmJournalled; only then their receipt goes out.
  void OnBytes(ByteView bytes, MonoTime now, std::vector<SessionEvent>& events);
  // SessionProven is the last event of its call. What came behind it waits until the owner has
  // taken that one and calls this: by then it has closed the connection if another one is open.
  void Continue(MonoTime now, std::vector<SessionEvent>& events);
  // When NextDeadline has come.
  void OnTimer(MonoTime now);
  std::optional<MonoTime> NextDeadline() const;
  // What to send now; empty: nothing. Call it when the transport can take more and something has
  // happened; it holds messages back for the rate limit.
  Bytes TakeOutput(MonoTime now);
  // Messages wait for the rate limit: call TakeOutput again then.
  std::optional<MonoTime> SendAllowedAt() const;
  // The peer is over its rate: read nothing more before.
  MonoTime ReadAllowedAt() const { return read_allowed_at_; }

  // Controller, proven: this connection carries the conversation.
  void Select(MonoTime now);
  // Open: the hang-up follows the messages that wait; its answer is SessionHangUpAcked.
  void HangUp(std::string reason, MonoTime now);
  // The link is forgotten; the session closes once its output is taken.
  void AckHangUp();
  // The peer's messages up to here were shown.
  void MarkRead(uint64_t up_to);
  void Close(SessionEnd end);

  // Of the last PING that was answered.
  std::optional<Duration> rtt() const { return rtt_; }

  uint64_t frames_received() const { return frames_received_; }
  bool proven() const { return state_ != State::kHello && !closed(); }
  bool selecting() const { return state_ == State::kSelecting && !closed(); }
  bool open() const { return state_ == State::kOpen && !closed() && !close_after_output_; }
  bool closed() const { return end_.has_value(); }
  SessionEnd end() const { return *end_; }  // closed() only.

 private:
  enum class State { kHello, kProven, kSelecting, kOpen };

  void DispatchAll(MonoTime now, std::vector<SessionEvent>& events);
  void Dispatch(const v1::ChatFrame& frame, MonoTime now, std::vector<SessionEvent>& events);
  void DispatchUnproven(const v1::ChatFrame& frame, MonoTime now,
                        std::vector<SessionEvent>& events);
  void DispatchOpen(const v1::ChatFrame& frame, MonoTime now, std::vector<SessionEvent>& events);
  void OnPong(uint64_t token, MonoTime now);
  MonoTime NextPing() const;
  bool ProofIsRight(absl::string_view mac) const;
  void BecomeProven(uint64_t peer_received, MonoTime now, std::vector<SessionEvent>& events);
  void BecomeOpen(MonoTime now, std::vector<SessionEvent>& events);
  void OnMessage(const v1::ChatFrame& frame, std::vector<SessionEvent>& events);
  void OnReceipt(const v1::ChatFrame& frame, std::vector<SessionEvent>& events);
  void AppendReceipts();
  void AppendMessages(MonoTime now);
  void AppendFiles();
  void Send(const v1::ChatFrame& frame);

  SessionSetup setup_;
  const config::Timing& timing_;
  Conversation& conversation_;
  State state_ = State::kHello;
  std::optional<SessionEnd> end_;
  wire::FrameReader reader_;
  Bytes out_;
  uint64_t peer_received_ = 0;  // From its hello.

  MonoTime heard_at_;
  int pings_sent_ = 0;                      // Since heard_at_.
  std::optional<MonoTime> awaiting_since_;  // Something that is answered at once was sent.
  std::optional<MonoTime> state_deadline_;  // For hello, select, selected, hang-up.
  MonoTime read_allowed_at_;
  RateLimit send_rate_;
  RateLimit message_rate_;
  RateLimit frame_rate_;
  uint64_t frames_received_ = 0;

  uint64_t receipted_ = 0;  // Delivered receipts sent on this connection.
  bool receipt_again_ = false;
  uint64_t read_up_to_ = 0;
  uint64_t read_sent_ = 0;
  std::optional<uint64_t> pong_;
  bool ping_due_ = false;
  uint64_t ping_token_ = 0;  // Of the newest PING; 0: none, or answered.
  MonoTime ping_at_;
  std::optional<Duration> rtt_;
  std::optional<std::string> hang_up_;  // Reason, until sent.
  bool hung_up_ = false;                // We sent HANG_UP.
  bool close_after_output_ = false;
  bool held_ = false;  // Until Continue.
};

}  // namespace p2p::client
