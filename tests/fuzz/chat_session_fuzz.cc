// One side of a conversation as a state machine: any bytes, any frames under the right proof, any
// passing of time, a user who talks and hangs up, a disk that confirms late.
#include <google/protobuf/stubs/logging.h>

#include "common/base/check.h"
#include "p2p/v1/chat.pb.h"
#include "peer-client/chat/chat_session.h"
#include "tests/fuzz/op_stream.h"

namespace {

using namespace p2p;
using namespace p2p::client;

const RequestId kIntro{{7}};
LinkSecret Link() { return LinkSecret({9}); }
const Bytes kExporter(32, uint8_t{3});

class World {
 public:
  explicit World(uint8_t kind) : kind_(kind) { Connect(); }

  void Step(fuzz::OpStream& in) {
    switch (in.U8() % 9) {
      case 0:
        Give(in.Take(in.U16() % 600));
        break;
      case 1:
        Give(Prove());
        break;
      case 2:
        Give(Framed(AnyFrame(in)));
        break;
      case 3: {
        v1::ChatFrame frame;
        frame.mutable_message()->set_id(std::string(16, 'i'));
        frame.mutable_message()->set_seq(accepted_ + in.U8() % 3);
        frame.mutable_message()->set_text(std::string(1 + in.U8(), 't'));
        Give(Framed(frame));
        break;
      }
      case 4:
        now_ += std::chrono::milliseconds(in.U16());
        session_->OnTimer(now_);
        break;
      case 5:
        Say(in.U8());
        break;
      case 6:
        conversation_.ConfirmJournalled(accepted_);
        journalled_ = accepted_;
        if (in.U8() % 2 == 0) session_->MarkRead(in.U8());
        break;
      case 7:
        if (in.U8() % 4 == 0) session_->HangUp("bye", now_);
        break;
      default:
        if (in.U8() % 4 == 0) Connect();
    }
    Drain();
  }

 private:
  bool dialler() const { return (kind_ & 1) != 0; }
  bool requester() const { return (kind_ & 2) != 0; }
  void Connect() {
    session_.emplace(SessionSetup{.intro_id = kIntro,
                                  .role = requester() ? LinkRole::kRequester : LinkRole::kTarget,
                                  .dialler = dialler(),
                                  .controller = (kind_ & 4) != 0,
                                  .link = Link(),
                                  .exporter = kExporter},
                     timing_, conversation_, now_);
    opened_ = false;
  }
  // The peer's HELLO or HELLO_OK, right in every field.
  Bytes Prove() {
    const auto mac =
        HelloMac(Link().view(), kExporter, requester() ? LinkRole::kTarget : LinkRole::kRequester);
    v1::ChatFrame frame;
    if (dialler()) {
      frame.mutable_hello_ok()->set_mac(ToString(mac));
      frame.mutable_hello_ok()->set_version(wire::kPeerLinkVersion);
    } else {
      auto& hello = *frame.mutable_hello();
      hello.set_intro_id(ToString(kIntro.view()));
      hello.set_mac(ToString(mac));
      hello.set_min_version(wire::kPeerLinkVersion);
      hello.set_max_version(wire::kPeerLinkVersion);
    }
    return Framed(frame);
  }
  static Bytes Framed(const v1::ChatFrame& frame) {
    Bytes out;
    const std::string bytes = frame.SerializeAsString();
    if (!bytes.empty()) wire::AppendFrame(AsBytes(bytes), out);
    return out;
  }
  static v1::ChatFrame AnyFrame(fuzz::OpStream& in) {
    v1::ChatFrame frame;
    switch (in.U8() % 8) {
      case 0:
        frame.mutable_select();
        break;
      case 1:
        frame.mutable_selected();
        break;
      case 2:
        frame.mutable_receipt()->set_up_to_seq(in.U8() % 8);
        frame.mutable_receipt()->set_state(static_cast<v1::ChatReceipt::State>(in.U8() % 4));
        break;
      case 3:
        frame.mutable_ping()->set_token(in.U8());
        break;
      case 4:
        frame.mutable_pong()->set_token(in.U8());
        break;
      case 5:
        frame.mutable_hang_up()->set_reason(std::string(in.U8(), 'r'));
        break;
      case 6:
        frame.mutable_hang_up_ack();
        break;
      default: {
        const ByteView raw = in.Take(in.U8());
        (void)frame.ParseFromArray(raw.data(), static_cast<int>(raw.size()));
      }
    }
    return frame;
  }
  void Say(uint8_t size) {
    const std::string text(1 + size, 's');
    if (!conversation_.CheckRoom(text).ok()) return;
    conversation_.Queue(conversation_.Compose(MessageId{{1}}, text, WallFromMs(1)));
  }
  void Give(ByteView bytes) {
    std::vector<SessionEvent> events;
    session_->OnBytes(bytes, now_, events);
    Take(events);
  }
  void Take(const std::vector<SessionEvent>& events) {
    for (const SessionEvent& event : events) {
      if (std::holds_alternative<SessionProven>(event)) {
        if ((kind_ & 4) != 0) session_->Select(now_);
        std::vector<SessionEvent> behind;
        session_->Continue(now_, behind);
        Take(behind);
      }
      if (std::holds_alternative<SessionOpen>(event)) opened_ = true;
      if (const auto* message = std::get_if<SessionMessage>(&event)) {
        P2P_CHECK(opened_);
        P2P_CHECK(message->message.seq == ++accepted_);  // In order, none twice.
        P2P_CHECK(!message->message.text.empty());
      }
      if (std::holds_alternative<SessionHungUp>(event)) session_->AckHangUp();
    }
  }
  // What it sends is whole frames, none of them a promise that was not kept.
  void Drain() {
    const Bytes out = session_->TakeOutput(now_);
    wire::FrameReader reader(wire::kMaxFrameSize);
    reader.Feed(out);
    while (const auto raw = reader.Next()) {
      v1::ChatFrame frame;
      P2P_CHECK(frame.ParseFromArray(raw->data(), static_cast<int>(raw->size())));
      P2P_CHECK(!frame.has_message() || opened_);
      if (frame.has_receipt()) P2P_CHECK(frame.receipt().up_to_seq() <= journalled_);
    }
    P2P_CHECK(!reader.failed());
    if (const auto next = session_->NextDeadline()) P2P_CHECK(*next > now_ - 1h);
  }

  const uint8_t kind_;
  const config::Timing timing_;
  MonoTime now_{1h};
  Conversation conversation_;
  std::optional<ChatSession> session_;
  bool opened_ = false;
  uint64_t accepted_ = 0;
  uint64_t journalled_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);  // It would tell of everything that cannot be parsed.
  fuzz::OpStream in(ByteView(data, std::min<size_t>(size, 2000)));
  World world(in.U8());
  while (!in.empty()) world.Step(in);
  return 0;
}
