// Every decoder of relay datagrams and frames: what parses serializes to the same bytes.
#include <algorithm>

#include "common/base/check.h"
#include "common/wire/broadcast_payload.h"
#include "common/wire/control_frames.h"
#include "common/wire/delivery_frames.h"
#include "common/wire/register_packet.h"
#include "common/wire/register_reply.h"

namespace {

using namespace p2p;
using namespace p2p::wire;

template <class T>
void RoundTrip(ByteView in, size_t prefix = 0) {
  const auto parsed = T::Parse(in);
  if (!parsed) return;
  std::array<uint8_t, 2 * kMaxDatagram> buffer;
  SpanWriter out(buffer);
  parsed->SerializeTo(out);
  P2P_CHECK(out.ok());
  const ByteView again = out.written().subspan(prefix);
  // A DATA header is the beginning of its datagram, everything else is all of it.
  P2P_CHECK(again.size() <= in.size() && std::equal(again.begin(), again.end(), in.begin()));
  P2P_CHECK(!parsed->ToString().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView in(data, size);
  (void)PeekKind(in);
  RoundTrip<DataHeader>(in);
  RoundTrip<RegisterPacket>(in);
  RoundTrip<RegisterBody>(in);
  RoundTrip<ChallengePacket>(in);
  RoundTrip<RegisteredPacket>(in);
  RoundTrip<RegisteredBody>(in);
  if (const auto payload = BroadcastPayload::Parse(in)) {
    const Bytes again = payload->Serialize();
    P2P_CHECK(std::equal(again.begin(), again.end(), in.begin(), in.end()));
  }
  FrameCursor cursor(in.first(std::min(in.size(), kMaxFrameBytes)));
  while (const auto frame = cursor.Next()) {
    RoundTrip<FragmentFrame>(frame->body, kFrameHeaderSize);
    RoundTrip<AckFrame>(frame->body, kFrameHeaderSize);
    RoundTrip<DoneFrame>(frame->body, kFrameHeaderSize);
    RoundTrip<PingFrame>(frame->body, kFrameHeaderSize);
    RoundTrip<PongFrame>(frame->body, kFrameHeaderSize);
    RoundTrip<PathChallengeFrame>(frame->body, kFrameHeaderSize);
    RoundTrip<PathResponseFrame>(frame->body, kFrameHeaderSize);
    RoundTrip<SyncFrame>(frame->body, kFrameHeaderSize);
    RoundTrip<AckWindowFrame>(frame->body, kFrameHeaderSize);
    RoundTrip<CloseFrame>(frame->body, kFrameHeaderSize);
  }
  return 0;
}
