#include "peer-client/chat/chat_session.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/text.h"
#include "p2p/v1/chat.pb.h"

namespace p2p::client {
namespace {

constexpr size_t kOutputTarget = 64 * 1024;  // One TakeOutput stops adding messages here.

std::optional<uint32_t> CommonVersion(const v1::ChatHello& hello) {
  if (hello.min_version() > wire::kPeerLinkVersion ||
      hello.max_version() < wire::kPeerLinkVersion) {
    return std::nullopt;
  }
  return wire::kPeerLinkVersion;
}

std::string Text(ByteView bytes) { return ToString(bytes); }

}  // namespace

absl::string_view SessionEndText(SessionEnd end) {
  switch (end) {
    case SessionEnd::kHungUp:
      return "hung up";
    case SessionEnd::kReplaced:
      return "replaced by another connection";
    case SessionEnd::kClosedByPeer:
      return "closed by the peer";
    case SessionEnd::kBadFrame:
      return "the peer broke the protocol";
    case SessionEnd::kNotProven:
      return "the peer could not prove the approval";
    case SessionEnd::kVersion:
      return "the peer speaks no common protocol version";
    case SessionEnd::kSilent:
      return "nothing heard from the peer";
    case SessionEnd::kSlow:
      return "the peer did not answer in time";
    case SessionEnd::kStorage:
      return "the chat journal cannot be written";
    case SessionEnd::kNetwork:
      return "the connection broke";
  }
  return "";
}

ChatSession::ChatSession(SessionSetup setup, const config::Timing& timing,
                         Conversation& conversation, MonoTime now)
    : setup_(std::move(setup)),
      timing_(timing),
      conversation_(conversation),
      reader_(wire::kMaxHelloFrameSize),
      heard_at_(now),
      state_deadline_(now + timing.peer_handshake),
      read_allowed_at_(now),
      send_rate_(wire::kMessagesPerSecond, wire::kMessageBurst, now),
      message_rate_(wire::kMessagesPerSecond, wire::kMessageBurst, now),
      frame_rate_(wire::kFramesPerSecond, wire::kFrameBurst, now) {
  if (!setup_.dialler) return;
  v1::ChatFrame frame;
  v1::ChatHello& hello = *frame.mutable_hello();
  hello.set_intro_id(Text(setup_.intro_id.view()));
  hello.set_mac(Text(HelloMac(setup_.link.view(), setup_.exporter, setup_.role)));
  hello.set_min_version(wire::kPeerLinkVersion);
  hello.set_max_version(wire::kPeerLinkVersion);
  hello.set_received_seq(conversation_.journalled());
  Send(frame);
}

void ChatSession::Close(SessionEnd end) {
  if (closed()) return;
  end_ = end;
  state_deadline_.reset();
}

void ChatSession::Send(const v1::ChatFrame& frame) {
  const size_t size = frame.ByteSizeLong();
  frame.SerializeWithCachedSizesToArray(wire::AppendFrame(size, out_).data());
}

void ChatSession::OnBytes(ByteView bytes, MonoTime now, std::vector<SessionEvent>& events) {
  if (closed() || close_after_output_) return;
  heard_at_ = now;
  pings_sent_ = 0;
  awaiting_since_.reset();
  reader_.Feed(bytes);
  DispatchAll(now, events);
}

void ChatSession::Continue(MonoTime now, std::vector<SessionEvent>& events) {
  held_ = false;
  DispatchAll(now, events);
}

void ChatSession::DispatchAll(MonoTime now, std::vector<SessionEvent>& events) {
  v1::ChatFrame frame;
  while (!closed() && !close_after_output_ && !held_) {
    const auto raw = reader_.Next();
    if (!raw) break;
    if (!frame.ParseFromArray(raw->data(), static_cast<int>(raw->size()))) {
      return Close(SessionEnd::kBadFrame);
    }
    ++frames_received_;
    Dispatch(frame, now, events);
  }
  if (reader_.failed()) Close(SessionEnd::kBadFrame);
  read_allowed_at_ = std::max(message_rate_.AllowedAt(), frame_rate_.AllowedAt());
}

void ChatSession::Dispatch(const v1::ChatFrame& frame, MonoTime now,
                           std::vector<SessionEvent>& events) {
  // Content has its own measure: the window.
  if (!frame.has_file_chunk() && !frame.has_file_ack()) {
    (frame.has_message() ? message_rate_ : frame_rate_).Charge(now);
  }
  switch (state_) {
    case State::kHello:
      return DispatchUnproven(frame, now, events);
    case State::kProven:
      // Nothing but SELECT means something yet, and only to the side that waits for it.
      if (frame.has_select() && !setup_.controller) {
        v1::ChatFrame selected;
        selected.mutable_selected();
        Send(selected);
        return BecomeOpen(now, events);
      }
      break;
    case State::kSelecting:
      if (frame.has_selected()) return BecomeOpen(now, events);
      break;
    case State::kOpen:
      return DispatchOpen(frame, now, events);
  }
  if (frame.has_ping()) {
    pong_ = frame.ping().token();
  } else if (frame.has_pong()) {
    OnPong(frame.pong().token(), now);
  } else if (frame.frame_case() != v1::ChatFrame::FRAME_NOT_SET) {
    Close(SessionEnd::kBadFrame);
  }
}

bool ChatSession::ProofIsRight(absl::string_view mac) const {
  const auto expected = HelloMac(setup_.link.view(), setup_.exporter, OtherRole(setup_.role));
  return crypto::ConstantTimeEqual(expected, AsBytes(mac));
}

void ChatSession::DispatchUnproven(const v1::ChatFrame& frame, MonoTime now,
                                   std::vector<SessionEvent>& events) {
  if (setup_.dialler) {
    if (!frame.has_hello_ok()) return Close(SessionEnd::kBadFrame);
    if (!ProofIsRight(frame.hello_ok().mac())) return Close(SessionEnd::kNotProven);
    if (frame.hello_ok().version() != wire::kPeerLinkVersion) return Close(SessionEnd::kVersion);
    return BecomeProven(frame.hello_ok().received_seq(), now, events);
  }
  if (!frame.has_hello()) return Close(SessionEnd::kBadFrame);
  const v1::ChatHello& hello = frame.hello();
  if (AsBytes(hello.intro_id()).size() != RequestId::kSize ||
      RequestId::FromBytes(AsBytes(hello.intro_id())) != setup_.intro_id ||
      !ProofIsRight(hello.mac())) {
    return Close(SessionEnd::kNotProven);
  }
  const auto version = CommonVersion(hello);
  if (!version) return Close(SessionEnd::kVersion);
  v1::ChatFrame answer;
  v1::ChatHelloOk& ok = *answer.mutable_hello_ok();
  ok.set_mac(Text(HelloMac(setup_.link.view(), setup_.exporter, setup_.role)));
  ok.set_version(*version);
  ok.set_received_seq(conversation_.journalled());
  Send(answer);
  BecomeProven(hello.received_seq(), now, events);
}

void ChatSession::BecomeProven(uint64_t peer_received, MonoTime now,
                               std::vector<SessionEvent>& events) {
  state_ = State::kProven;
  held_ = true;
  peer_received_ = peer_received;
  reader_.set_max_frame(wire::kMaxFrameSize);
  // The controller decides at once; the other side waits while it tries its connections in turn.
  state_deadline_ = now + timing_.dial_total;
  events.emplace_back(SessionProven{});
}

void ChatSession::Select(MonoTime now) {
  P2P_CHECK(setup_.controller);
  if (state_ != State::kProven || closed()) return;
  v1::ChatFrame frame;
  frame.mutable_select();
  Send(frame);
  state_ = State::kSelecting;
  state_deadline_ = now + timing_.select_wait;
}

void ChatSession::BecomeOpen(MonoTime now, std::vector<SessionEvent>& events) {
  SessionReceipts receipts;
  if (!conversation_.StartSending(peer_received_, receipts.receipts)) {
    return Close(SessionEnd::kBadFrame);
  }
  state_ = State::kOpen;
  state_deadline_.reset();
  heard_at_ = now;
  ping_due_ = true;                         // Measures the path.
  receipted_ = conversation_.journalled();  // HELLO said so.
  events.emplace_back(SessionOpen{});
  if (!receipts.receipts.empty()) events.emplace_back(std::move(receipts));
}

void ChatSession::OnPong(uint64_t token, MonoTime now) {
  if (token != ping_token_ || ping_token_ == 0) return;
  ping_token_ = 0;
  rtt_ = now - ping_at_;
}

void ChatSession::DispatchOpen(const v1::ChatFrame& frame, MonoTime now,
                               std::vector<SessionEvent>& events) {
  switch (frame.frame_case()) {
    case v1::ChatFrame::kMessage:
      return OnMessage(frame, events);
    case v1::ChatFrame::kReceipt:
      return OnReceipt(frame, events);
    case v1::ChatFrame::kPing:
      pong_ = frame.ping().token();
      return;
    case v1::ChatFrame::kPong:
      return OnPong(frame.pong().token(), now);
    case v1::ChatFrame::kHangUp:
      if (frame.hang_up().reason().size() > wire::kMaxHangUpReason) {
        return Close(SessionEnd::kBadFrame);
      }
      events.emplace_back(SessionHungUp{frame.hang_up().reason()});
      return;
    case v1::ChatFrame::kHangUpAck:
      if (!hung_up_) return Close(SessionEnd::kBadFrame);
      events.emplace_back(SessionHangUpAcked{});
      return Close(SessionEnd::kHungUp);
    case v1::ChatFrame::kHello:
    case v1::ChatFrame::kHelloOk:
    case v1::ChatFrame::kSelect:
    case v1::ChatFrame::kSelected:
      return Close(SessionEnd::kBadFrame);
    case v1::ChatFrame::kFileOffer:
    case v1::ChatFrame::kFileAccept:
    case v1::ChatFrame::kFileChunk:
    case v1::ChatFrame::kFileAck:
    case v1::ChatFrame::kFileDone:
    case v1::ChatFrame::kFileCancel:
      if (setup_.files != nullptr && !hang_up_ && !hung_up_ && !setup_.files->OnFrame(frame)) {
        Close(SessionEnd::kBadFrame);
      }
      return;
    case v1::ChatFrame::FRAME_NOT_SET:
      return;  // A kind that this version does not know is ignored.
  }
}

void ChatSession::OnMessage(const v1::ChatFrame& frame, std::vector<SessionEvent>& events) {
  const v1::ChatMessage& message = frame.message();
  const auto id = MessageId::FromBytes(AsBytes(message.id()));
  const bool legal = id && !message.text().empty() && message.text().size() <= wire::kMaxChatText &&
                     IsValidUtf8(message.text());
  if (!legal) return Close(SessionEnd::kBadFrame);
  if (hang_up_ || hung_up_) return;  // Our user has left; without a receipt it stays the sender's.
  switch (conversation_.Accept(message.seq())) {
    case Conversation::Incoming::kNew:
      events.emplace_back(SessionMessage{{.id = *id,
                                          .seq = message.seq(),
                                          .text = message.text(),
                                          .sent_at = WallFromMs(message.sent_at_ms())}});
      return;
    case Conversation::Incoming::kDuplicate:
      receipt_again_ = true;
      return;
    case Conversation::Incoming::kGap:
      return Close(SessionEnd::kBadFrame);
  }
}

void ChatSession::OnReceipt(const v1::ChatFrame& frame, std::vector<SessionEvent>& events) {
  const v1::ChatReceipt& receipt = frame.receipt();
  SessionReceipts out;
  switch (receipt.state()) {
    case v1::ChatReceipt::DELIVERED:
    case v1::ChatReceipt::READ:
      break;
    default:
      return;  // A state of a later version says nothing to us.
  }
  if (!conversation_.OnReceipt(receipt.up_to_seq(), receipt.state() == v1::ChatReceipt::READ,
                               out.receipts)) {
    return Close(SessionEnd::kBadFrame);
  }
  if (!out.receipts.empty()) events.emplace_back(std::move(out));
}

void ChatSession::HangUp(std::string reason, MonoTime now) {
  if (!open() || hang_up_ || hung_up_) return;
  hang_up_ = reason.substr(0, wire::kMaxHangUpReason);
  state_deadline_ = now + timing_.dial_total;
}

void ChatSession::AckHangUp() {
  if (closed()) return;
  if (open()) AppendReceipts();  // The peer forgets everything at the answer.
  v1::ChatFrame frame;
  frame.mutable_hang_up_ack();
  Send(frame);
  close_after_output_ = true;
}

void ChatSession::MarkRead(uint64_t up_to) { read_up_to_ = std::max(read_up_to_, up_to); }

std::optional<MonoTime> ChatSession::NextDeadline() const {
  if (closed()) return std::nullopt;
  MonoTime next = NextPing();
  if (state_deadline_) next = std::min(next, *state_deadline_);
  return next;
}

// Who waits for an answer finds out sooner that the peer is gone than who has nothing to say: one
// PING after a third of the interval, the end after another.
MonoTime ChatSession::NextPing() const {
  const MonoTime idle = heard_at_ + timing_.peer_ping * (pings_sent_ + 1);
  if (!awaiting_since_) return idle;
  return std::min(idle, *awaiting_since_ + timing_.peer_ping / 3 * (pings_sent_ + 1));
}

std::optional<MonoTime> ChatSession::SendAllowedAt() const {
  if (!open() || conversation_.NextToSend() == nullptr) return std::nullopt;
  return send_rate_.AllowedAt();
}

void ChatSession::OnTimer(MonoTime now) {
  if (closed()) return;
  if (state_deadline_ && now >= *state_deadline_) return Close(SessionEnd::kSlow);
  // While we hold back reading, silence is our own doing.
  if (now < read_allowed_at_) {
    heard_at_ = std::max(heard_at_, now);
    awaiting_since_.reset();
  }
  if (now < NextPing()) return;
  const bool waits = awaiting_since_.has_value() && state_ == State::kOpen;
  if (pings_sent_ >= (waits ? 1 : wire::kSilentPings)) return Close(SessionEnd::kSilent);
  ++pings_sent_;
  ping_due_ = state_ != State::kHello;
}

void ChatSession::AppendReceipts() {
  const auto send = [this](uint64_t up_to, v1::ChatReceipt::State state) {
    v1::ChatFrame frame;
    frame.mutable_receipt()->set_up_to_seq(up_to);
    frame.mutable_receipt()->set_state(state);
    Send(frame);
  };
  const uint64_t journalled = conversation_.journalled();
  if (read_up_to_ > read_sent_ && read_up_to_ <= journalled) {
    send(read_up_to_, v1::ChatReceipt::READ);
    read_sent_ = read_up_to_;
    receipted_ = std::max(receipted_, read_up_to_);
  }
  if (journalled > receipted_ || (receipt_again_ && journalled > 0)) {
    send(journalled, v1::ChatReceipt::DELIVERED);
    receipted_ = journalled;
  }
  receipt_again_ = false;
}

void ChatSession::AppendMessages(MonoTime now) {
  while (out_.size() < kOutputTarget && send_rate_.AllowedAt() <= now) {
    const OutgoingMessage* next = conversation_.NextToSend();
    if (next == nullptr) break;
    v1::ChatFrame frame;
    v1::ChatMessage& message = *frame.mutable_message();
    message.set_id(Text(next->id.view()));
    message.set_seq(next->seq);
    message.set_text(next->text);
    message.set_sent_at_ms(ToMs(next->sent_at));
    Send(frame);
    if (!awaiting_since_) awaiting_since_ = now;
    send_rate_.Charge(now);
    conversation_.MarkSent();
  }
  if (hang_up_ && conversation_.NextToSend() == nullptr) {
    v1::ChatFrame frame;
    frame.mutable_hang_up()->set_reason(*hang_up_);
    Send(frame);
    hang_up_.reset();
    hung_up_ = true;
    state_deadline_ = now + timing_.select_wait;
  }
}

// After everything that people say.
void ChatSession::AppendFiles() {
  if (setup_.files == nullptr || hang_up_ || hung_up_) return;
  v1::ChatFrame frame;
  while (out_.size() < kOutputTarget && setup_.files->NextFrame(frame)) {
    Send(frame);
    frame.Clear();
  }
}

Bytes ChatSession::TakeOutput(MonoTime now) {
  if (closed()) return {};
  if (ping_due_) {
    v1::ChatFrame frame;
    ping_at_ = now;
    ping_token_ = std::max<uint64_t>(1, static_cast<uint64_t>(now.time_since_epoch().count()));
    frame.mutable_ping()->set_token(ping_token_);
    Send(frame);
    ping_due_ = false;
  }
  if (pong_) {
    v1::ChatFrame frame;
    frame.mutable_pong()->set_token(*std::exchange(pong_, std::nullopt));
    Send(frame);
  }
  if (open()) {
    AppendReceipts();
    AppendMessages(now);
    AppendFiles();
  }
  Bytes out = std::exchange(out_, {});
  if (close_after_output_) Close(SessionEnd::kHungUp);
  return out;
}

}  // namespace p2p::client
