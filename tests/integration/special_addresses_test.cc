// A server that lies about where the peer is makes nobody dial anything special.
// tests/e2e/test_no_syn.py runs this where it can watch every packet; the control at the end shows
// that it would see one.
#include <gmock/gmock.h>

#include "tests/integration/peer_link_fixture.h"

namespace p2p::client {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Where the client itself is: an address of this machine that is no special one.
constexpr char kHere[] = "198.51.100.1";
// Nobody is there; in the namespace of test_no_syn.py there is a way to it.
constexpr char kControl[] = "203.0.113.77";

class SpecialAddressesTest : public PeerLinkTest {
 protected:
  SpecialAddressesTest() { timing_.dial_total = 200ms; }

  // An introduction whose peer is said to be there; what came of dialling.
  std::vector<std::string> DialledAt(const net::IpAddress& observed, uint16_t port,
                                     std::vector<net::SocketAddress> candidates) {
    TestPeer alice(io_, "alice", timing_), bob(io_, "bob", timing_);
    Introduced introduced = Introduce(alice, bob);
    introduced.introduction.requester.observed = *net::IpAddress::Parse(kHere);
    introduced.introduction.target.observed = observed;
    introduced.introduction.target.chat_port = port;
    introduced.introduction.target.candidates = std::move(candidates);
    Sign(introduced);
    EXPECT_TRUE(Give(alice, introduced).ok());
    EXPECT_TRUE(RunUntil([&] { return !alice.dial_failed.empty(); }));
    return alice.dial_failed.empty() ? std::vector<std::string>() : alice.dial_failed[0].reasons;
  }
};

const char* const kSpecial[] = {"0.0.0.0",
                                "0.1.2.3",
                                "::",
                                "::7f00:1",
                                "127.0.0.1",
                                "127.8.9.10",
                                "::1",
                                "169.254.169.254",
                                "169.254.1.1",
                                "fe80::1",
                                "fe80::a9fe:a9fe",
                                "224.0.0.1",
                                "239.255.255.250",
                                "ff02::1",
                                "ff0e::1",
                                "255.255.255.255",
                                "240.0.0.1",
                                "10.1.2.3",
                                "172.16.5.6",
                                "192.168.7.8",
                                "100.64.1.1",
                                "fd12:3456::1",
                                "fd00:ec2::254"};

TEST_F(SpecialAddressesTest, NoneIsDialledWhetherSeenOrClaimed) {
  for (const char* text : kSpecial) {
    const net::IpAddress ip = *net::IpAddress::Parse(text);
    const auto reasons = DialledAt(ip, 4400, {{ip, 4400}, {ip, 44000}});
    EXPECT_THAT(reasons, Not(IsEmpty())) << text;
    EXPECT_THAT(reasons, Each(HasSubstr("refused: "))) << text;
  }
}

TEST_F(SpecialAddressesTest, NoPortBelow1024) {
  // The codec refuses them before anybody is asked.
  for (const uint16_t port : {uint16_t{1}, uint16_t{22}, uint16_t{1023}}) {
    TestPeer alice(io_, "alice", timing_), bob(io_, "bob", timing_);
    Introduced introduced = Introduce(alice, bob);
    introduced.introduction.target.chat_port = 0x7A69;  // Found below, and replaced.
    Bytes object = introduced.introduction.Serialize();
    const Bytes from = {4, 127, 0, 0, 1, 0x7A, 0x69};  // The observed address is before it.
    auto at = std::search(object.begin(), object.end(), from.begin(), from.end());
    ASSERT_NE(at, object.end());
    at[5] = static_cast<uint8_t>(port >> 8);
    at[6] = static_cast<uint8_t>(port);
    EXPECT_EQ(
        alice.manager
            ->OnIntroduction(object, server_key_.Sign(object), server_key_.public_key(), "alice")
            .code(),
        absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(alice.manager->Peers(), IsEmpty());
  }
}

// An IPv4 address has one spelling: a mapped one is no address, whatever is in it.
TEST_F(SpecialAddressesTest, MappedFormsAreRefused) {
  const net::IpAddress placeholder = *net::IpAddress::Parse("2001:db8:1:2:3:4:5:6");
  for (const char* v4 : {"127.0.0.1", "169.254.169.254", "8.8.8.8"}) {
    TestPeer alice(io_, "alice", timing_), bob(io_, "bob", timing_);
    Introduced introduced = Introduce(alice, bob);
    introduced.introduction.target.observed = placeholder;
    Bytes object = introduced.introduction.Serialize();
    const ByteView from = placeholder.bytes();
    const auto at = std::search(object.begin(), object.end(), from.begin(), from.end());
    ASSERT_NE(at, object.end());
    Bytes mapped(16, 0);
    mapped[10] = mapped[11] = 0xFF;
    const net::IpAddress inside = *net::IpAddress::Parse(v4);
    const ByteView inner = inside.bytes();
    std::copy(inner.begin(), inner.end(), mapped.begin() + 12);
    std::copy(mapped.begin(), mapped.end(), at);
    EXPECT_EQ(
        alice.manager
            ->OnIntroduction(object, server_key_.Sign(object), server_key_.public_key(), "alice")
            .code(),
        absl::StatusCode::kInvalidArgument)
        << v4;
  }
}

TEST_F(SpecialAddressesTest, TheControlIsDialled) {
  const auto reasons = DialledAt(*net::IpAddress::Parse(kControl), 4400, {});
  ASSERT_EQ(reasons.size(), 1u);
  EXPECT_THAT(reasons[0], Not(HasSubstr("refused: port")));
  EXPECT_THAT(reasons[0], Not(HasSubstr("refused: p")));
}

}  // namespace
}  // namespace p2p::client
