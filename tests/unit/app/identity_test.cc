// What is known of a peer's key stands wherever the peer's name does.
#include <gmock/gmock.h>

#include "tests/fakes/client_world.h"

namespace p2p::client {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

struct IdentityWorld : ClientWorld {
  IdentityWorld() { LogIn(); }
  void Open(bool reopened) {
    model->OnPeerOutput(out::ChatOpen{"bob", "dialled", reopened, "unverified"}, now());
  }
  std::string Opened() { return Shown<out::ChatOpen>().back().identity; }
  void Introduce(const std::string& request_id) {
    model->OnChannelEvent(event::Introduction{request_id, {}, {}, false}, now());
  }
};

TEST(IdentityMarkTest, StandsInRequestsOffersPathsAndLines) {
  IdentityWorld world;
  world.peers.identity = "verified";
  world.model->OnChannelEvent(event::PeerRequest{"r1", "bob", "10.0.0.7", "", 60s}, world.now());
  world.model->OnChannelEvent(event::PeerRequest{"r2", "eve", "10.0.0.8", "", 60s}, world.now());
  EXPECT_EQ(world.Shown<out::PeerRequest>()[0].identity, "verified");
  EXPECT_EQ(world.Shown<out::PeerRequest>()[1].identity, "") << "never talked with";
  world.model->OnPeerOutput(out::FileOffer{"bob", "f", "n", 1, "00", false}, world.now());
  EXPECT_EQ(world.Shown<out::FileOffer>()[0].identity, "verified");
  world.model->OnPeerOutput(out::Chat{"bob", "id", "hi", world.wall, false}, world.now());
  EXPECT_EQ(world.Shown<out::Chat>()[0].identity, "verified");
  world.Line("/path bob");
  EXPECT_EQ(world.Shown<out::Path>()[0].identity, "verified");
}

TEST(IdentityMarkTest, WhatTheUserSaysOfAKeyShowsAtOnce) {
  IdentityWorld world;
  EXPECT_EQ(world.model->IdentityOf("bob"), "unverified");
  world.Line("/verify bob ok");
  EXPECT_EQ(world.model->IdentityOf("bob"), "verified");
}

// The open conversation goes on by the old key. That another one was offered must be seen, and seen
// when the conversation is open again, too.
TEST(IdentityMarkTest, AChangedKeyIsSeenInTheConversationThatIsOpen) {
  IdentityWorld world;
  world.Open(false);
  EXPECT_EQ(world.Opened(), "unverified");
  EXPECT_EQ(world.model->IdentityOf("bob"), "unverified");
  world.model->OnChannelEvent(event::RequestOutcome{"r1", "bob", "approved"}, world.now());
  world.peers.identity = "changed";
  world.peers.introduce = absl::FailedPreconditionError("the key of bob is not the one you know");
  world.Introduce("r1");
  EXPECT_EQ(world.Shown<out::Error>().back().code, "FAILED_PRECONDITION");
  ASSERT_THAT(world.Shown<out::Identity>(), SizeIs(1));
  EXPECT_EQ(world.Shown<out::Identity>()[0].peer, "bob");
  EXPECT_EQ(world.Shown<out::Identity>()[0].state, "changed");
  EXPECT_EQ(world.model->IdentityOf("bob"), "changed");
  world.model->OnPeerOutput(out::Chat{"bob", "id", "hi", world.wall, false}, world.now());
  EXPECT_EQ(world.Shown<out::Chat>().back().identity, "changed");
  world.Open(true);
  EXPECT_EQ(world.Opened(), "changed");
}

TEST(IdentityMarkTest, AnIntroductionThatFailsForAnotherReasonSaysNothingOfKeys) {
  IdentityWorld world;
  world.model->OnChannelEvent(event::RequestOutcome{"r1", "bob", "approved"}, world.now());
  world.peers.introduce = absl::UnavailableError("the disk is full");
  world.Introduce("r1");
  EXPECT_THAT(world.Shown<out::Identity>(), IsEmpty());
}

}  // namespace
}  // namespace p2p::client
