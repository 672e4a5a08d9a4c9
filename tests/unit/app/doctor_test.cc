// /doctor: what is looked at, how long, and what is said.
#include <gmock/gmock.h>

#include "tests/fakes/client_world.h"

namespace p2p::client {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Result = InboundInfo::Result;

const Bytes kChallenge(32, 7);

class DoctorTest : public ::testing::Test, protected ClientWorld {
 protected:
  void AttachedAt(WallTime server_time) {
    event::Attached attached;
    attached.server_time = server_time;
    attached.observed_ip = "10.0.0.7";
    model->OnChannelEvent(attached, now());
  }
  void Ask() {
    LogIn();
    AttachedAt(wall);
    model->OnCommand(cmd::Doctor{}, now());
  }
  void Inbound(Result result) {
    model->OnInbound(InboundInfo{result, kChallenge, "10.0.0.7:4400"}, now());
  }
  void Reached() {
    Inbound(Result::kBegun);
    Inbound(Result::kReached);
  }
  std::vector<std::string> Failed() {
    std::vector<std::string> names;
    const auto shown = Shown<out::Doctor>();
    EXPECT_EQ(shown.size(), 1u);
    if (shown.empty()) return {"none shown"};
    for (const auto& check : shown[0].checks) {
      if (!check.ok) names.push_back(check.check);
    }
    return names;
  }
  std::string Detail(const std::string& name) {
    for (const auto& shown : Shown<out::Doctor>()) {
      for (const auto& check : shown.checks) {
        if (check.check == name) return check.detail;
      }
    }
    return "";
  }
};

TEST_F(DoctorTest, WhenAllIsWellEveryCheckSaysSo) {
  Ask();
  EXPECT_THAT(control.calls, ElementsAre("inbound "));
  Advance(20ms);
  Inbound(Result::kBegun);
  EXPECT_EQ(peers.expected, HexEncode(kChallenge));  // Before the server is told to connect.
  EXPECT_THAT(control.calls, Contains("inbound " + HexEncode(kChallenge)));
  EXPECT_THAT(Shown<out::Doctor>(), IsEmpty());
  Inbound(Result::kReached);
  EXPECT_THAT(Failed(), IsEmpty());
  EXPECT_THAT(Detail("server"),
              HasSubstr("home answers in 20 ms and sees this client at 10.0.0.7"));
  EXPECT_THAT(Detail("identity"), HasSubstr("SHA256:a"));
  EXPECT_THAT(Detail("inbound"), HasSubstr("10.0.0.7:4400"));
  EXPECT_THAT(Detail("clock"), HasSubstr("within a second"));
}

TEST_F(DoctorTest, EveryWayOfNotBeingReachedIsNamed) {
  const std::pair<Result, const char*> results[] = {
      {Result::kRefused, "refused"},
      {Result::kNoAnswer, "nothing comes back"},
      {Result::kSomebodyElse, "somebody else"},
  };
  Ask();
  bool first = true;
  for (const auto& [result, words] : results) {
    if (!std::exchange(first, false)) model->OnCommand(cmd::Doctor{}, now());
    Inbound(Result::kBegun);
    Inbound(result);
    EXPECT_THAT(Failed(), ElementsAre("inbound"));
    EXPECT_THAT(Detail("inbound"), HasSubstr(words));
    sink.shown.clear();
  }
}

TEST_F(DoctorTest, DatagramsAreWaitedForButNotForEver) {
  broadcasts.udp = UdpPath::kTrying;
  Ask();
  Reached();
  Advance(5s);
  EXPECT_THAT(Shown<out::Doctor>(), IsEmpty());
  broadcasts.udp = UdpPath::kBlocked;
  Advance(1s);
  EXPECT_THAT(Failed(), ElementsAre("udp"));

  sink.shown.clear();
  broadcasts.udp = UdpPath::kTrying;
  model->OnCommand(cmd::Doctor{}, now());
  Reached();
  Advance(Doctor::kPatience);
  EXPECT_THAT(Failed(), ElementsAre("udp"));

  sink.shown.clear();
  broadcasts.udp = UdpPath::kNone;  // Nothing is wrong with that.
  model->OnCommand(cmd::Doctor{}, now());
  Reached();
  EXPECT_THAT(Failed(), IsEmpty());
}

TEST_F(DoctorTest, AClockThatIsOffIsSaidAlsoWhenItWasMovedSince) {
  Ask();
  AttachedAt(wall - 31s);
  Reached();
  EXPECT_THAT(Failed(), ElementsAre("clock"));
  EXPECT_EQ(Detail("clock"), "31 s ahead of the server's");

  sink.shown.clear();
  AttachedAt(wall);
  Advance(1h);
  wall -= std::chrono::minutes(2);
  model->OnCommand(cmd::Doctor{}, now());
  Reached();
  EXPECT_EQ(Detail("clock"), "120 s behind the server's");
}

TEST_F(DoctorTest, ALimitAndAnOldServerAreSaidAsTheyAre) {
  Ask();
  CallError limit = Answered(absl::StatusCode::kResourceExhausted, "3 checks in 10 minutes");
  limit.retry_after = 90s;
  model->OnInbound(limit, now());
  EXPECT_THAT(Failed(), ElementsAre("inbound"));
  EXPECT_THAT(Detail("inbound"), HasSubstr("3 checks in 10 minutes; ask again in 90 s"));
}

TEST_F(DoctorTest, AServerThatIsLostMeanwhileIsTheFirstThingThatFails) {
  Ask();
  model->OnChannelEnd(NoAnswer(), now());
  Advance(1s);
  EXPECT_THAT(Failed(), ElementsAre("server", "inbound"));
}

TEST_F(DoctorTest, ASilentServerIsNotWaitedForForEverAndOthersWorkMeanwhile) {
  Ask();
  model->OnCommand(cmd::List{}, now());
  EXPECT_THAT(control.calls, Contains("list"));
  model->OnList(std::vector<out::ActiveClient>(), now());
  model->OnCommand(cmd::Doctor{}, now());
  EXPECT_THAT(Shown<out::Error>(), testing::SizeIs(1));  // One at a time.
  Advance(Doctor::kPatience);
  EXPECT_THAT(Failed(), ElementsAre("server", "inbound"));
}

TEST_F(DoctorTest, AServerThatBeginsAgainAndAgainIsAskedOnce) {
  Ask();
  for (int i = 0; i < 5; ++i) Inbound(Result::kBegun);
  EXPECT_EQ(control.calls.size(), 2u);
}

}  // namespace
}  // namespace p2p::client
