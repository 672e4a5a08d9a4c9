#include "common/wire/introduction.h"

#include <gtest/gtest.h>

#include "common/base/random.h"

namespace p2p::wire {
namespace {

template <size_t N>
std::array<uint8_t, N> Filled(uint8_t first) {
  std::array<uint8_t, N> out;
  for (size_t i = 0; i < N; ++i) out[i] = static_cast<uint8_t>(first + i);
  return out;
}

IntroducedParty Party(const std::string& name, uint8_t seed, const char* observed) {
  IntroducedParty party;
  party.uid.bytes = Filled<16>(seed);
  party.name = name;
  party.device_key = Filled<32>(static_cast<uint8_t>(seed + 0x10));
  party.observed = *net::IpAddress::Parse(observed);
  party.chat_port = 4400;
  party.nonce = Filled<16>(static_cast<uint8_t>(seed + 0x40));
  return party;
}

Introduction Sample() {
  Introduction intro;
  intro.id.bytes = Filled<16>(1);
  intro.issued = WallFromMs(1'700'000'000'000);
  intro.expires = WallFromMs(1'700'000'060'000);
  intro.requester = Party("alice", 0x20, "203.0.113.5");
  intro.requester.candidates = {*net::SocketAddress::Parse("10.0.0.7:4400"),
                                *net::SocketAddress::Parse("[fd00::7]:4401")};
  intro.target = Party("Bob.2", 0x80, "2001:db8::9");
  return intro;
}

TEST(IntroductionTest, RoundTrip) {
  const Introduction intro = Sample();
  const Bytes wire = intro.Serialize();
  const auto parsed = Introduction::Parse(wire);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, intro);
  EXPECT_EQ(parsed->Serialize(), wire);
}

TEST(IntroductionTest, GoldenVector) {
  EXPECT_EQ(HexEncode(Sample().Serialize()),
            // magic, id, issued, expires
            "7032702d696e74726f2d7631"
            "0102030405060708090a0b0c0d0e0f10"
            "0000018bcfe56800"
            "0000018bcfe65260"
            // alice
            "202122232425262728292a2b2c2d2e2f"
            "05616c696365"
            "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f"
            "04cb007105"
            "1130"
            "02"
            "040a0000071130"
            "10fd0000000000000000000000000000071131"
            "606162636465666768696a6b6c6d6e6f"
            // Bob.2
            "808182838485868788898a8b8c8d8e8f"
            "05426f622e32"
            "909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
            "1020010db8000000000000000000000009"
            "1130"
            "00"
            "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
            // controller, min_proto
            "01"
            "0001");
}

TEST(IntroductionTest, TheLargestObjectFits) {
  Introduction intro = Sample();
  for (IntroducedParty* party : {&intro.requester, &intro.target}) {
    party->name = "a" + std::string(kMaxUsername - 1, 'x');
    party->observed = *net::IpAddress::Parse("2001:db8::1");
    party->candidates.assign(kMaxCandidates, *net::SocketAddress::Parse("[fd00::1]:65535"));
  }
  const auto parsed = Introduction::Parse(intro.Serialize());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, intro);
}

TEST(IntroductionTest, EveryTruncationAndATrailingByteAreRefused) {
  Bytes wire = Sample().Serialize();
  for (size_t n = 0; n < wire.size(); ++n) {
    EXPECT_FALSE(Introduction::Parse(ByteView(wire).first(n))) << n;
  }
  wire.push_back(0);
  EXPECT_FALSE(Introduction::Parse(wire));
}

// Offsets into the sample: see GoldenVector.
constexpr size_t kAliceNameLength = 12 + 16 + 8 + 8 + 16;
constexpr size_t kAliceAddress = kAliceNameLength + 1 + 5 + 32;
constexpr size_t kAlicePort = kAliceAddress + 5;
constexpr size_t kAliceCount = kAlicePort + 2;

TEST(IntroductionTest, FieldsOutsideTheirLimitsAreRefused) {
  const Bytes good = Sample().Serialize();
  const auto with = [&](size_t offset, uint8_t value) {
    Bytes bad = good;
    bad[offset] = value;
    return Introduction::Parse(bad).has_value();
  };
  EXPECT_TRUE(with(kAliceNameLength + 1, 'B'));
  EXPECT_FALSE(with(kAliceNameLength + 1, '4'));   // Names start with a letter.
  EXPECT_FALSE(with(kAliceNameLength + 2, 0x1B));  // No escape sequences in names.
  EXPECT_FALSE(with(kAliceNameLength, 4));
  EXPECT_FALSE(with(kAliceAddress, 6));
  EXPECT_FALSE(with(kAlicePort, 0x03));  // Port 0x0330 = 816.
  EXPECT_FALSE(with(kAliceCount, 5));
  EXPECT_FALSE(with(good.size() - 3, 0));
  EXPECT_FALSE(with(good.size() - 3, 3));
  EXPECT_TRUE(with(good.size() - 3, 2));
}

TEST(IntroductionTest, MappedAddressesHaveOneSpelling) {
  Introduction intro = Sample();
  intro.target.observed = *net::IpAddress::Parse("2001:db8::9");
  Bytes wire = intro.Serialize();
  const size_t at = wire.size() - 3 - 16 - 1 - 2 - 16;
  const Bytes mapped = *HexDecode("00000000000000000000ffff0a000001");
  std::copy(mapped.begin(), mapped.end(), wire.begin() + static_cast<ptrdiff_t>(at));
  EXPECT_FALSE(Introduction::Parse(wire));
}

TEST(IntroductionTest, MutatedObjectsParseToThemselvesOrNotAtAll) {
  const Bytes good = Sample().Serialize();
  SeededRandom random(7);
  size_t accepted = 0;
  for (int i = 0; i < 100'000; ++i) {
    Bytes bad = good;
    for (uint64_t n = random.Below(4) + 1; n > 0; --n) {
      switch (random.Below(3)) {
        case 0:
          bad[random.Below(bad.size())] = static_cast<uint8_t>(random.U64());
          break;
        case 1:
          bad.erase(bad.begin() + static_cast<ptrdiff_t>(random.Below(bad.size())));
          break;
        case 2:
          bad.insert(bad.begin() + static_cast<ptrdiff_t>(random.Below(bad.size())),
                     static_cast<uint8_t>(random.U64()));
          break;
      }
    }
    const auto parsed = Introduction::Parse(bad);
    if (!parsed) continue;
    ++accepted;
    ASSERT_EQ(parsed->Serialize(), bad);  // No two spellings of one introduction.
  }
  EXPECT_GT(accepted,
            1000u);  // Flips inside keys and ids are well-formed; the signature sees them.
}

}  // namespace
}  // namespace p2p::wire
