// Keys, nonces, sealing, replay window and registration of relay sessions.
#include <gtest/gtest.h>

#include <set>

#include "common/base/random.h"
#include "common/session/registration.h"
#include "common/session/sealer.h"

namespace p2p::session {
namespace {

template <size_t N>
std::array<uint8_t, N> Filled(uint8_t byte) {
  std::array<uint8_t, N> out;
  out.fill(byte);
  return out;
}

Secret<32> Psk() {
  std::array<uint8_t, 32> raw;
  for (size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<uint8_t>(i);
  return Secret<32>(raw);
}
const auto kClientRandom = Filled<16>(0xC1);
const auto kServerRandom = Filled<16>(0x51);
const ConnId kConn{Filled<8>(0x0A)};

std::string Hex(const SealKey& key) { return HexEncode(key.key.view()) + HexEncode(key.iv); }
SealKey DataKey(Direction direction, uint32_t epoch = 0) {
  return DeriveSessionKey(Psk(), kClientRandom, kServerRandom, kConn, direction, epoch);
}

// The expected values were made with an independent implementation.
TEST(KeyScheduleTest, MatchesIndependentVectors) {
  EXPECT_EQ(HexEncode(DeriveRegisterMacKey(Psk()).view()),
            "583eccb7cd46e16df71c8a2c9ef544bd484d62015ac2bf22103700237a3367b0");
  EXPECT_EQ(HexEncode(DeriveChallengeMacKey(Psk()).view()),
            "56427bafed6e5dcbced73ff80b38774feae55e95aa657a1b0c3cc467f09f2919");
  EXPECT_EQ(Hex(DeriveRegisterKey(Psk(), kClientRandom)),
            "cd7e1aee54ca893862bf8fbbc29b84bb83923cb6632947efae486016");
  EXPECT_EQ(Hex(DeriveRegisteredKey(Psk(), kClientRandom, kServerRandom)),
            "43270512c80e2f2528ad0c54062fa49be8aa54bd6308bf4236559019");
  EXPECT_EQ(Hex(DataKey(Direction::kToRelay)),
            "f78a840d87a98e49bdf4778a84336db7969ed81c74c188ab07a20b4a");
  EXPECT_EQ(Hex(DataKey(Direction::kToClient)),
            "cac158b060344ac5ec06bdefe5e3888f6417e62167e31b9d0fe88534");
}

TEST(KeyScheduleTest, EveryPurposeDirectionAndEpochHasItsOwnKey) {
  std::set<std::string> keys = {Hex(DeriveRegisterKey(Psk(), kClientRandom)),
                                Hex(DeriveRegisteredKey(Psk(), kClientRandom, kServerRandom)),
                                Hex(DataKey(Direction::kToRelay)),
                                Hex(DataKey(Direction::kToClient)),
                                Hex(DataKey(Direction::kToRelay, 1))};
  EXPECT_EQ(keys.size(), 5u);
}

TEST(KeyScheduleTest, NonceIsIvXorPacketNumber) {
  const crypto::AeadNonce iv = Filled<12>(0xFF);
  EXPECT_EQ(HexEncode(MakeNonce(iv, 0x0102)), "fffffffffffffffffffffefd");
}

struct Pair {
  Ciphers ciphers;
  Sealer sealer{DataKey(Direction::kToRelay), kConn, 0};
  RelayOpener opener{DataKey(Direction::kToRelay), kConn, 0};
  MonoTime now{1h};

  Bytes Seal(ByteView frames) {
    Bytes datagram(wire::kMaxDatagram);
    std::copy(frames.begin(), frames.end(), Sealer::FrameArea(datagram).begin());
    datagram.resize(sealer.Seal(ciphers, datagram, frames.size()));
    return datagram;
  }
  RelayOpener::Result Open(ByteView datagram) {
    const auto header = wire::DataHeader::Parse(datagram);
    EXPECT_TRUE(header.has_value());
    return opener.Open(ciphers, *header, datagram, now, plain);
  }
  std::array<uint8_t, wire::kMaxFrameBytes> plain;
};

TEST(SealerTest, DatagramHasItsGoldenBytes) {
  Pair pair;
  const Bytes ping = *HexDecode("0400080102030405060708");
  EXPECT_EQ(HexEncode(pair.Seal(ping)),
            "100000000a0a0a0a0a0a0a0a0000000000000001aaae358fbc94e33ad542baa1ee1a0199e2668b2e3fdc90"
            "ba3a34af");
}

TEST(SealerTest, OpensOnceAndNeverAgain) {
  Pair pair;
  const Bytes frames = {4, 0, 0};
  const Bytes datagram = pair.Seal(frames);
  const auto opened = pair.Open(datagram);
  ASSERT_EQ(opened.error, OpenError::kNone);
  EXPECT_EQ(ToBytes(opened.frames), frames);
  EXPECT_TRUE(opened.newest);
  EXPECT_EQ(pair.Open(datagram).error, OpenError::kReplay);
}

TEST(SealerTest, EveryFlippedBitIsFound) {
  Pair pair;
  const Bytes datagram = pair.Seal(Bytes{4, 0, 0});
  for (size_t bit = 0; bit < datagram.size() * 8; ++bit) {
    Bytes bad = datagram;
    bad[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const auto header = wire::DataHeader::Parse(bad);
    if (!header) continue;
    EXPECT_NE(pair.opener.Open(pair.ciphers, *header, bad, pair.now, pair.plain).error,
              OpenError::kNone)
        << bit;
  }
  EXPECT_EQ(pair.Open(datagram).error, OpenError::kNone) << "forgeries must not move the window";
}

TEST(SealerTest, OneDirectionDoesNotOpenTheOther) {
  Pair pair;
  RelayOpener other(DataKey(Direction::kToClient), kConn, 0);
  const Bytes datagram = pair.Seal(Bytes{4, 0, 0});
  EXPECT_EQ(
      other.Open(pair.ciphers, *wire::DataHeader::Parse(datagram), datagram, pair.now, pair.plain)
          .error,
      OpenError::kTag);
  RelayOpener later(DataKey(Direction::kToRelay), kConn, 9);
  EXPECT_EQ(
      later.Open(pair.ciphers, *wire::DataHeader::Parse(datagram), datagram, pair.now, pair.plain)
          .error,
      OpenError::kEpoch);
}

TEST(EpochTest, AKeySealsForAnHourAndTheReceiverFollows) {
  Pair pair;
  const Bytes frames{4, 0, 0};
  pair.sealer.Advance(pair.now);
  const Bytes first = pair.Seal(frames);
  pair.now += wire::kEpochLife - 1ms;
  pair.sealer.Advance(pair.now);
  const Bytes late = pair.Seal(frames);
  pair.now += 1ms;
  pair.sealer.Advance(pair.now);
  EXPECT_EQ(pair.sealer.epoch(), 1u);
  const Bytes next = pair.Seal(frames);
  EXPECT_EQ(next[1], 1) << "the epoch's low bits";
  EXPECT_EQ(pair.Open(first).error, OpenError::kNone);
  EXPECT_EQ(pair.Open(next).error, OpenError::kNone);
  EXPECT_EQ(pair.Open(next).error, OpenError::kReplay);
  EXPECT_EQ(pair.Open(first).error, OpenError::kReplay) << "the window goes on";
  EXPECT_EQ(pair.Open(late).error, OpenError::kNone) << "overtaken on the way";
}

TEST(EpochTest, TheOldKeyIsTakenForThirtySecondsMore) {
  Pair pair;
  pair.sealer.Advance(pair.now);
  const Bytes soon = pair.Seal(Bytes{4, 0, 0}), later = pair.Seal(Bytes{4, 0, 0});
  pair.sealer.Advance(pair.now += wire::kEpochLife);
  EXPECT_EQ(pair.Open(pair.Seal(Bytes{4, 0, 0})).error, OpenError::kNone);
  pair.now += wire::kOldEpochLife - 1ms;
  EXPECT_EQ(pair.Open(soon).error, OpenError::kNone);
  pair.now += 1ms;
  EXPECT_EQ(pair.Open(later).error, OpenError::kEpoch);
}

TEST(EpochTest, AForgedEpochMovesNothing) {
  Pair pair;
  pair.sealer.Advance(pair.now);
  const Bytes datagram = pair.Seal(Bytes{4, 0, 0});
  for (int epoch = 1; epoch < 256; ++epoch) {
    Bytes forged = datagram;
    forged[1] = static_cast<uint8_t>(epoch);
    EXPECT_EQ(pair.Open(forged).error, epoch == 1 ? OpenError::kTag : OpenError::kEpoch);
  }
  EXPECT_EQ(pair.Open(datagram).error, OpenError::kNone);
}

TEST(EpochTest, ADayOfEpochs) {
  Pair pair;
  std::set<Bytes> sealed;
  for (int hour = 0; hour < 300; ++hour) {  // More than the low bits can tell apart.
    pair.sealer.Advance(pair.now += wire::kEpochLife);
    const Bytes datagram = pair.Seal(Bytes{4, 0, 0});
    EXPECT_EQ(pair.Open(datagram).error, OpenError::kNone) << hour;
    EXPECT_TRUE(sealed.insert(Bytes(datagram.begin() + 20, datagram.end())).second);
  }
  EXPECT_EQ(pair.sealer.epoch(), 299u);
}

TEST(ReplayWindowTest, AcceptsReorderingWithinTheWindowOnce) {
  ReplayWindow<wire::kReplayWindowPackets> window;
  EXPECT_TRUE(window.Accept(10'000));
  EXPECT_TRUE(window.Accept(10'000 - wire::kReplayWindowPackets + 1));
  EXPECT_FALSE(window.Accept(10'000 - wire::kReplayWindowPackets));
  EXPECT_FALSE(window.Accept(10'000));
  EXPECT_FALSE(window.Accept(10'000 - wire::kReplayWindowPackets + 1));
  EXPECT_EQ(window.newest(), 10'000u);
}

// Against the simplest possible model, with jumps of every size.
TEST(ReplayWindowTest, AgreesWithASetOfNumbers) {
  SeededRandom random(5);
  ReplayWindow<wire::kReplayWindowPackets> window;
  std::set<uint64_t> seen;
  uint64_t newest = 0;
  for (int i = 0; i < 200'000; ++i) {
    uint64_t n = newest + random.Below(4);
    if (random.Below(4) != 0) n = newest - std::min(newest, random.Below(9000));
    if (random.Below(5000) == 0) n = newest + random.Below(40'000);
    const bool fresh = n + wire::kReplayWindowPackets > newest && !seen.contains(n);
    ASSERT_EQ(window.Accept(n), fresh) << "number " << n << " newest " << newest << " step " << i;
    if (fresh) seen.insert(n);
    newest = std::max(newest, n);
  }
}

TEST(RegistrationTest, HelloHasItsGoldenMac) {
  const RegisterBytes hello = MakeHello(Psk(), kConn, kClientRandom);
  EXPECT_EQ(HexEncode(ByteView(hello).last(16)), "5628ec737787175f11470b97fcc1f79e");
  EXPECT_TRUE(VerifyRegisterMac(DeriveRegisterMacKey(Psk()), hello));
  for (size_t bit = 0; bit < hello.size() * 8; ++bit) {
    RegisterBytes bad = hello;
    bad[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(VerifyRegisterMac(DeriveRegisterMacKey(Psk()), bad));
  }
}

TEST(RegistrationTest, BodySurvivesANewCookieUnchanged) {
  const wire::RegisterBody body{.reg_seq = 3, .have = {BroadcastId{Filled<16>(1)}}};
  const SealedBody sealed = SealRegisterBody(Psk(), kConn, kClientRandom, body);
  for (const uint8_t cookie : {uint8_t{1}, uint8_t{2}}) {
    const auto bytes = MakeRegister(Psk(), kConn, kClientRandom, Filled<16>(cookie), sealed);
    EXPECT_TRUE(VerifyRegisterMac(DeriveRegisterMacKey(Psk()), bytes));
    const auto packet = wire::RegisterPacket::Parse(bytes);
    ASSERT_TRUE(packet.has_value());
    EXPECT_EQ(packet->sealed, sealed);
    EXPECT_EQ(OpenRegisterBody(Psk(), *packet), body);
  }
  auto packet = *wire::RegisterPacket::Parse(
      MakeRegister(Psk(), kConn, Filled<16>(9), Filled<16>(1), sealed));
  EXPECT_FALSE(OpenRegisterBody(Psk(), packet).has_value()) << "another client_random";
}

TEST(RegistrationTest, RepliesAreBoundToTheirQuestion) {
  const auto challenge = MakeChallenge(Psk(), kConn, kClientRandom, Filled<16>(7));
  EXPECT_TRUE(VerifyChallengeMac(Psk(), challenge));
  auto bad = challenge;
  bad[30] ^= 1;
  EXPECT_FALSE(VerifyChallengeMac(Psk(), bad));

  const wire::RegisteredBody body{.epoch = 0, .retention_ms = 1, .ping_ms = 2, .reg_seq = 3};
  const auto bytes = MakeRegistered(Psk(), kConn, kClientRandom, kServerRandom, body);
  auto packet = *wire::RegisteredPacket::Parse(bytes);
  EXPECT_EQ(OpenRegistered(Psk(), packet), body);
  packet.server_random[0] ^= 1;
  EXPECT_FALSE(OpenRegistered(Psk(), packet).has_value());
}

TEST(CookieJarTest, CookiesBindAddressAndLiveForTwoTurns) {
  SeededRandom random(1);
  CookieJar jar(random, 120s);
  const MonoTime t0{1h};
  const Bytes here = {10, 0, 0, 1, 0x11, 0x30}, there = {10, 0, 0, 2, 0x11, 0x30};
  const auto cookie = jar.Make(here, kConn, kClientRandom, t0);
  EXPECT_TRUE(jar.Check(cookie, here, kConn, kClientRandom, t0 + 1s));
  EXPECT_FALSE(jar.Check(cookie, there, kConn, kClientRandom, t0 + 1s));
  EXPECT_FALSE(jar.Check(cookie, here, ConnId{}, kClientRandom, t0 + 1s));
  EXPECT_FALSE(jar.Check(cookie, here, kConn, kServerRandom, t0 + 1s));
  EXPECT_TRUE(jar.Check(cookie, here, kConn, kClientRandom, t0 + 121s));
  EXPECT_FALSE(jar.Check(cookie, here, kConn, kClientRandom, t0 + 242s));
}

TEST(CookieJarTest, SilenceAgesCookiesToo) {
  SeededRandom random(1);
  CookieJar jar(random, 120s);
  const MonoTime t0{1h};
  const auto cookie = jar.Make({}, kConn, kClientRandom, t0);
  EXPECT_FALSE(jar.Check(cookie, {}, kConn, kClientRandom, t0 + 500s));
}

}  // namespace
}  // namespace p2p::session
