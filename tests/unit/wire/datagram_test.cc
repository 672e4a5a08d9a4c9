// Relay datagrams and frames: round trips, golden bytes, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/wire/broadcast_payload.h"
#include "common/wire/control_frames.h"
#include "common/wire/delivery_frames.h"
#include "common/wire/register_packet.h"
#include "common/wire/register_reply.h"

namespace p2p::wire {
namespace {

template <class T>
Bytes Serialize(const T& packet) {
  std::array<uint8_t, kMaxDatagram> buffer{};
  SpanWriter out(buffer);
  packet.SerializeTo(out);
  EXPECT_TRUE(out.ok());
  return ToBytes(out.written());
}

// The body of the only frame in `bytes`.
template <class T>
Bytes FrameBody(const T& frame, FrameType type) {
  const Bytes bytes = Serialize(frame);
  FrameCursor cursor(bytes);
  const auto raw = cursor.Next();
  EXPECT_TRUE(raw.has_value());
  EXPECT_EQ(raw->type, static_cast<uint8_t>(type));
  EXPECT_FALSE(cursor.Next().has_value());
  EXPECT_TRUE(cursor.ok());
  return ToBytes(raw->body);
}

template <size_t N>
std::array<uint8_t, N> Filled(uint8_t byte) {
  std::array<uint8_t, N> out;
  out.fill(byte);
  return out;
}

const ConnId kConn{Filled<8>(0x0A)};
const BroadcastId kBroadcast{Filled<16>(0xB0)};

TEST(DatagramTest, DataHeaderHasItsGoldenBytes) {
  const DataHeader header{.epoch = 3, .conn_id = kConn, .packet_no = 0x010203040506};
  Bytes bytes = Serialize(header);
  EXPECT_EQ(HexEncode(bytes), "100300000a0a0a0a0a0a0a0a0000010203040506");
  EXPECT_FALSE(DataHeader::Parse(bytes).has_value()) << "no room for a frame and the tag";
  bytes.resize(kMinDataDatagram);
  EXPECT_EQ(DataHeader::Parse(bytes), header);
}

TEST(DatagramTest, DataHeaderRefusesWhatIsNotItsForm) {
  Bytes good = Serialize(DataHeader{.epoch = 0, .conn_id = kConn, .packet_no = 1});
  good.resize(kMaxDatagram);
  ASSERT_TRUE(DataHeader::Parse(good).has_value());
  Bytes bad = good;
  bad.push_back(0);
  EXPECT_FALSE(DataHeader::Parse(bad).has_value()) << "too long";
  bad = good;
  bad[0] = 0x20;
  EXPECT_FALSE(DataHeader::Parse(bad).has_value()) << "version 2";
  bad = good;
  bad[3] = 1;
  EXPECT_FALSE(DataHeader::Parse(bad).has_value()) << "reserved byte";
  bad = good;
  bad[13] = 1;  // 2^48
  EXPECT_FALSE(DataHeader::Parse(bad).has_value()) << "packet number beyond the end of a session";
}

TEST(DatagramTest, KindIsReadFromTheFirstByteOnly) {
  EXPECT_EQ(PeekKind(Bytes{0x13}), DatagramKind::kRegistered);
  EXPECT_FALSE(PeekKind(Bytes{0x14}).has_value());
  EXPECT_FALSE(PeekKind(Bytes{0x03}).has_value());
  EXPECT_FALSE(PeekKind({}).has_value());
}

TEST(DatagramTest, RegisterRoundTripsInBothStages) {
  RegisterPacket packet{
      .conn_id = kConn, .client_random = Filled<kRandomSize>(0xC1), .mac = Filled<kMacSize>(0x3A)};
  Bytes bytes = Serialize(packet);
  ASSERT_EQ(bytes.size(), kRegisterSize);
  EXPECT_EQ(HexEncode(ByteView(bytes).first(16)), "110000000a0a0a0a0a0a0a0ac1c1c1c1");
  EXPECT_EQ(RegisterPacket::Parse(bytes), packet);
  bytes[28] = 1;
  EXPECT_FALSE(RegisterPacket::Parse(bytes).has_value()) << "a cookie where none belongs";

  packet.with_cookie = true;
  packet.cookie = Filled<kMacSize>(0xC0);
  packet.sealed.fill(0x5E);
  bytes = Serialize(packet);
  EXPECT_EQ(RegisterPacket::Parse(bytes), packet);
  bytes.pop_back();
  EXPECT_FALSE(RegisterPacket::Parse(bytes).has_value());
}

TEST(DatagramTest, RegisterBodyKeepsAtMostItsLimit) {
  RegisterBody body{.reg_seq = 7, .have = std::vector<BroadcastId>(kMaxRegisterHave, kBroadcast)};
  Bytes bytes = Serialize(body);
  ASSERT_EQ(bytes.size(), RegisterBody::kSize);
  EXPECT_EQ(RegisterBody::Parse(bytes), body);
  bytes[8] = kMaxRegisterHave + 1;
  EXPECT_FALSE(RegisterBody::Parse(bytes).has_value());
  bytes[8] = kMaxRegisterHave - 1;
  EXPECT_FALSE(RegisterBody::Parse(bytes).has_value()) << "bytes after the last id";
}

TEST(DatagramTest, ChallengeAndRegisteredRoundTrip) {
  const ChallengePacket challenge{.conn_id = kConn,
                                  .client_random = Filled<kRandomSize>(0xC1),
                                  .cookie = Filled<kMacSize>(0xC0),
                                  .mac = Filled<kMacSize>(0x3A)};
  Bytes bytes = Serialize(challenge);
  ASSERT_EQ(bytes.size(), kChallengeSize);
  EXPECT_EQ(HexEncode(ByteView(bytes).first(5)), "120000000a");
  EXPECT_EQ(ChallengePacket::Parse(bytes), challenge);
  bytes[45] = 1;
  EXPECT_FALSE(ChallengePacket::Parse(bytes).has_value());

  const RegisteredPacket registered{.conn_id = kConn,
                                    .client_random = Filled<kRandomSize>(0xC1),
                                    .server_random = Filled<kRandomSize>(0x51),
                                    .sealed = Filled<RegisteredPacket::kSealedSize>(0x5E)};
  bytes = Serialize(registered);
  ASSERT_EQ(bytes.size(), kRegisteredSize);
  EXPECT_EQ(RegisteredPacket::Parse(bytes), registered);
  const RegisteredBody body{.epoch = 1, .retention_ms = 1'800'000, .ping_ms = 15'000, .reg_seq = 9};
  bytes = Serialize(body);
  ASSERT_EQ(bytes.size(), RegisteredBody::kSize);
  EXPECT_EQ(RegisteredBody::Parse(bytes), body);
  EXPECT_EQ(HexEncode(ByteView(bytes).first(20)), "00000001001b774000003a980000000000000009");
}

TEST(FrameTest, FragmentHasItsGoldenBytes) {
  const Bytes data = {0xDA, 0x7A};
  const FragmentFrame frame{.id = kBroadcast, .index = 0, .count = 1, .total = 2, .bytes = data};
  EXPECT_EQ(HexEncode(Serialize(frame)),
            "01001ab0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b00000000100000002da7a");
  const Bytes body = FrameBody(frame, FrameType::kFragment);
  const auto parsed = FragmentFrame::Parse(body);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->id, kBroadcast);
  EXPECT_EQ(ToBytes(parsed->bytes), data);
}

TEST(FrameTest, LargestFragmentAndAnAckWindowFillADatagramExactly) {
  const Bytes data(kFragmentBytes, 0xDA);
  const FragmentFrame frame{
      .id = kBroadcast, .index = 54, .count = 55, .total = 55 * kFragmentBytes, .bytes = data};
  EXPECT_EQ(Serialize(frame).size() + Serialize(AckWindowFrame{}).size(), kMaxFrameBytes);
}

TEST(FrameTest, FragmentsThatContradictTheirTotalAreRefused) {
  const auto body = [](uint16_t index, uint16_t count, uint32_t total, size_t size) {
    ByteWriter out;
    out.Append(kBroadcast.view()).U16(index).U16(count).U32(total).Append(Bytes(size));
    return out.Release();
  };
  const uint32_t two = kFragmentBytes + 5;
  EXPECT_TRUE(FragmentFrame::Parse(body(0, 2, two, kFragmentBytes)).has_value());
  EXPECT_TRUE(FragmentFrame::Parse(body(1, 2, two, 5)).has_value());
  EXPECT_FALSE(FragmentFrame::Parse(body(1, 2, two, 6)).has_value());
  EXPECT_FALSE(FragmentFrame::Parse(body(0, 2, two, 5)).has_value());
  EXPECT_FALSE(FragmentFrame::Parse(body(2, 2, two, 5)).has_value());
  EXPECT_FALSE(FragmentFrame::Parse(body(1, 3, two, 5)).has_value());
  EXPECT_FALSE(FragmentFrame::Parse(body(0, 0, 0, 0)).has_value());
  EXPECT_FALSE(FragmentFrame::Parse(body(0, 1, 0xFFFFFFFF, 5)).has_value());
  EXPECT_FALSE(
      FragmentFrame::Parse(body(0, 55, kMaxBroadcastPayload + 1, kFragmentBytes)).has_value());
}

TEST(FrameTest, SmallFramesRoundTrip) {
  const AckFrame ack{.id = kBroadcast, .packet_no = 5, .delay_ms = 6, .bitmap = 0x8000000000000001};
  EXPECT_EQ(AckFrame::Parse(FrameBody(ack, FrameType::kAck)), ack);
  const DoneFrame done{.id = kBroadcast, .packet_no = 5, .delay_ms = 6};
  EXPECT_EQ(DoneFrame::Parse(FrameBody(done, FrameType::kDone)), done);
  const PingFrame ping{Filled<kPingTokenSize>(1)};
  EXPECT_EQ(PingFrame::Parse(FrameBody(ping, FrameType::kPing)), ping);
  EXPECT_EQ(HexEncode(Serialize(ping)), "0400080101010101010101");
  const PongFrame pong{Filled<kPingTokenSize>(1)};
  EXPECT_EQ(PongFrame::Parse(FrameBody(pong, FrameType::kPong)), pong);
  const PathChallengeFrame challenge{Filled<kPathTokenSize>(2)};
  EXPECT_EQ(PathChallengeFrame::Parse(FrameBody(challenge, FrameType::kPathChallenge)), challenge);
  const PathResponseFrame response{Filled<kPathTokenSize>(2)};
  EXPECT_EQ(PathResponseFrame::Parse(FrameBody(response, FrameType::kPathResponse)), response);
  const SyncFrame sync{std::vector<BroadcastId>(kMaxSyncHave, kBroadcast)};
  EXPECT_EQ(SyncFrame::Parse(FrameBody(sync, FrameType::kSync)), sync);
  const AckWindowFrame window{.window_ms = 100};
  EXPECT_EQ(AckWindowFrame::Parse(FrameBody(window, FrameType::kAckWindow)), window);
  const CloseFrame close{.code = 0};
  EXPECT_EQ(CloseFrame::Parse(FrameBody(close, FrameType::kClose)), close);
  EXPECT_EQ(HexEncode(Serialize(close)), "0a00020000");
}

TEST(FrameTest, EveryShortOrLongBodyIsRefused) {
  const auto refuses = [](auto parse, const Bytes& body) {
    ASSERT_TRUE(parse(body)) << "the body itself";
    Bytes longer = body;
    longer.push_back(0);
    EXPECT_FALSE(parse(longer));
    for (size_t n = 0; n < body.size(); ++n) EXPECT_FALSE(parse(Bytes(n)));
  };
  refuses([](ByteView b) { return AckFrame::Parse(b).has_value(); }, Bytes(34));
  refuses([](ByteView b) { return DoneFrame::Parse(b).has_value(); }, Bytes(26));
  refuses([](ByteView b) { return PingFrame::Parse(b).has_value(); }, Bytes(8));
  refuses([](ByteView b) { return PathChallengeFrame::Parse(b).has_value(); }, Bytes(16));
  refuses([](ByteView b) { return CloseFrame::Parse(b).has_value(); }, Bytes(2));
}

TEST(FrameTest, CursorStopsAtALengthBeyondTheEnd) {
  const Bytes frames = {0x04, 0x00, 0x09, 1, 2, 3};
  FrameCursor cursor(frames);
  EXPECT_FALSE(cursor.Next().has_value());
  EXPECT_FALSE(cursor.ok());
}

TEST(BroadcastPayloadTest, RoundTripsAndRefusesWhatIsCut) {
  const Bytes object(100, 1), signature(64, 2), text = {'h', 'i'};
  const BroadcastPayload payload{.signed_object = object, .signature = signature, .text = text};
  Bytes bytes = payload.Serialize();
  const auto parsed = BroadcastPayload::Parse(bytes);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(ToBytes(parsed->signed_object), object);
  EXPECT_EQ(ToBytes(parsed->signature), signature);
  EXPECT_EQ(ToBytes(parsed->text), text);
  for (size_t n = 0; n <= bytes.size() - text.size(); ++n) {
    EXPECT_FALSE(BroadcastPayload::Parse(ByteView(bytes).first(n)).has_value()) << n;
  }
  bytes.resize(kMaxBroadcastPayload + 1);
  EXPECT_FALSE(BroadcastPayload::Parse(bytes).has_value());
}

TEST(SpanWriterTest, WritesNothingBeyondItsEnd) {
  std::array<uint8_t, 3> buffer{};
  SpanWriter out(buffer);
  out.U16(0x0102).U16(0x0304);
  EXPECT_FALSE(out.ok());
  EXPECT_EQ(out.size(), 2u);
  EXPECT_EQ(buffer[2], 0);
}

}  // namespace
}  // namespace p2p::wire
