// The model asks to be woken in the future, or not at all: a time that has passed is a loop that
// spins.
#include <gmock/gmock.h>

#include "tests/fakes/client_world.h"

namespace p2p::client {
namespace {

AppOptions Plain() {
  AppOptions options;
  options.plain = true;
  return options;
}

// Wakes the model as its owner does, for `d`; every wake-up is asked for again, but later.
void ExpectNoSpin(ClientWorld& world, Duration d) {
  const MonoTime end = world.mono + d;
  for (int i = 0; i < 10'000 && world.mono < end; ++i) {
    world.model->OnTimer(world.now());
    const auto next = world.model->NextDeadline();
    if (!next) return;
    ASSERT_GT(*next, world.mono) << "after " << i << " wake-ups";
    world.MoveTo(*next);
  }
}

// A command that is repeated in a minute keeps the client there after its input has ended.
void LimitAList(ClientWorld& world) {
  world.Line("/list");
  CallError limited = Answered(absl::StatusCode::kResourceExhausted, "too fast");
  limited.retry_after = 60s;
  world.model->OnList(limited, world.now());
}

TEST(DeadlineTest, WherePeersAreIsNotAskedAfterTheInputHasEnded) {
  ClientWorld world;
  world.LogIn();
  LimitAList(world);
  world.model->OnInputEnd(world.now());
  ASSERT_FALSE(world.model->exit_code());
  ExpectNoSpin(world, 59s);
}

TEST(DeadlineTest, NorHowFarABroadcastGot) {
  ClientWorld world(Plain());
  world.LogIn();
  world.Advance(10s);
  world.Line("/broadcast tea");
  world.model->OnBroadcast(BroadcastInfo{"b1", world.wall + 30min}, world.now());
  LimitAList(world);
  world.model->OnInputEnd(world.now());
  ASSERT_FALSE(world.model->exit_code());
  ExpectNoSpin(world, 59s);
}

TEST(DeadlineTest, ARenewalIsNotDueWithoutAChannel) {
  ClientWorld world;
  Session session = world.MakeSession();
  session.resume_token = SecretText("r1");
  session.expires_at = world.wall;
  world.model->Start(true, std::move(session), world.now());
  world.Hello();
  Session fresh = world.MakeSession();
  fresh.resume_token = SecretText("r2");
  fresh.expires_at = world.wall + 4s;
  world.model->OnResumed(std::move(fresh), world.now());
  ASSERT_EQ(world.control.calls.back(), "attach 4400");  // And the answer takes its time.
  ExpectNoSpin(world, 1min);
}

// The last call gets an answer, if it waits for one.
void Answer(ClientWorld& world, uint64_t how) {
  if (world.control.calls.empty()) return;
  const std::string call = world.control.calls.back();
  world.control.calls.clear();
  const bool good = how % 3 != 0;
  CallError limited = Answered(absl::StatusCode::kResourceExhausted, "too fast");
  limited.retry_after = 60s;
  const CallError bad = how % 2 == 0 ? limited : NoAnswer();
  if (call == "connect") {
    if (!good) return world.model->OnHello(bad, world.now());
    world.Hello();
  } else if (call == "attach 4400") {
    if (!good) return world.model->OnChannelEnd(bad, world.now());
    world.Attached();
  } else if (call.starts_with("resume")) {
    Outcome<Session> result = world.MakeSession();
    if (!good) result = bad;
    world.model->OnResumed(std::move(result), world.now());
  } else if (call == "list") {
    Outcome<std::vector<out::ActiveClient>> result;
    if (!good) result = bad;
    world.model->OnList(std::move(result), world.now());
  } else if (call.starts_with("broadcast")) {
    Outcome<BroadcastInfo> result = BroadcastInfo{"b", world.wall + 60s};
    if (!good) result = bad;
    world.model->OnBroadcast(result, world.now());
  } else if (call.starts_with("status")) {
    out::BroadcastStatus status;
    status.id = "b";
    status.due = 2;
    Outcome<out::BroadcastStatus> result = status;
    if (!good) result = bad;
    world.model->OnBroadcastStatus(std::move(result), world.now());
  }
}

TEST(DeadlineTest, WhateverHappens) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    ClientWorld world(seed % 2 == 0 ? Plain() : AppOptions(), seed);
    SeededRandom random(seed);
    Session session = world.MakeSession();
    session.resume_token = SecretText("r");
    world.model->Start(true, std::move(session), world.now());
    for (int step = 0; step < 60 && !world.model->exit_code(); ++step) {
      const uint64_t what = random.Below(12);
      if (what < 6) Answer(world, random.Below(6));
      if (what == 6) world.model->OnChannelEnd(NoAnswer(), world.now());
      if (what == 7) world.model->OnCommand(cmd::Broadcast{"tea", 60}, world.now());
      if (what == 8) world.model->OnCommand(cmd::List{}, world.now());
      if (what == 9) world.model->OnPeerOutput(out::ChatClosed{"bob", "gone"}, world.now());
      if (what == 10) world.model->OnCommand(cmd::Doctor{}, world.now());
      if (what == 11 && step > 20) world.model->OnInputEnd(world.now());
      world.peers.waiting = random.Below(2) == 0;
      ExpectNoSpin(world, 10s);
      if (::testing::Test::HasFatalFailure()) FAIL() << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace p2p::client
