#include "peer-client/oneshot/task.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "peer-client/oneshot/command_json.h"
#include "peer-client/oneshot/oneshot_options.h"

namespace p2p::client::oneshot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::ordered_json;

constexpr MonoTime kStart{1h};

class Recorder final : public TaskOutput {
 public:
  void OnEvent(const Json&) override { ++events; }
  void OnResult(const Json& event) override { results.push_back(event); }
  void OnError(const std::string& code, const std::string& message) override {
    errors.push_back(code);
    messages.push_back(message);
  }
  void OnNote(const std::string& text) override { notes.push_back(text); }
  int events = 0;
  std::vector<Json> results;
  std::vector<std::string> errors, messages, notes;
};

Json Event(const char* name, Json fields = Json::object()) {
  fields["event"] = name;
  return fields;
}

TaskSpec Spec(Verb verb, std::string name = "", std::string text = "") {
  TaskSpec spec;
  spec.verb = verb;
  spec.name = std::move(name);
  spec.text = std::move(text);
  return spec;
}

Json Outcome(const char* id, const char* outcome) {
  return Event("request_outcome", {{"request_id", id}, {"outcome", outcome}});
}
Json Receipt(const char* id, const char* state) {
  return Event("receipt", {{"peer", "Bob"}, {"id", id}, {"state", state}});
}

Json Status(uint64_t delivered, uint64_t due) {
  return Event("broadcast_status", {{"id", "b1"}, {"due", due}, {"delivered", delivered}});
}

class TaskTest : public ::testing::Test {
 protected:
  Task Started(TaskSpec spec, Task::Place place = Task::Place::kAlone) {
    Task task(std::move(spec), place, output_);
    task.Start(true, kStart);
    return task;
  }
  // A send that found no conversation and asked for one.
  Task Asking() {
    Task task = Started(Spec(Verb::kSend, "bob", "hello"));
    task.TakeCommands();
    task.OnEvent(Event("error", {{"code", "NO_CONVERSATION"}}), kStart);
    task.TakeCommands();
    task.OnEvent(Event("request_sent", {{"request_id", "r1"}, {"to", "Bob"}}), kStart);
    return task;
  }
  // A broadcast for all that was sent, within ten seconds.
  Task Waiting() {
    TaskSpec spec = Spec(Verb::kBroadcast, "", "tea");
    spec.goal = DeliveryGoal{.percent = 100, .count = 0};
    spec.wait = 10s;
    Task task = Started(std::move(spec));
    task.OnEvent(Event("broadcast_sent", {{"id", "b1"}}), kStart);
    task.TakeCommands();
    return task;
  }
  Recorder output_;
};

// Beside a running client an order goes over its socket.
TEST_F(TaskTest, EveryOrderHasItsJsonForm) {
  for (int verb = 0; verb <= static_cast<int>(Verb::kWatch); ++verb) {
    Task task = Started(Spec(static_cast<Verb>(verb), "bob", "text"), Task::Place::kBeside);
    for (const Command& command : task.TakeCommands()) {
      EXPECT_EQ(Json::parse(ToJsonCommand(command).view()).count("cmd"), 1u) << verb;
    }
  }
}

TEST_F(TaskTest, OfDoctorTheFirstFailedCheckGivesTheExitCode) {
  const std::vector<std::pair<const char*, ExitCode>> codes = {
      {"", ExitCode::kOk},
      {"server", ExitCode::kUnreachable},
      {"identity", ExitCode::kIdentity},
      {"udp", ExitCode::kNoUdp},
      {"inbound", ExitCode::kNoInbound},
      {"clock", ExitCode::kClockOff},
      {"something new", ExitCode::kError},
  };
  for (const auto& [failing, code] : codes) {
    Task task = Started(Spec(Verb::kDoctor));
    EXPECT_TRUE(std::holds_alternative<cmd::Doctor>(task.TakeCommands().at(0)));
    Json checks = Json::array({{{"check", "ours"}, {"ok", true}}});
    if (*failing != 0) checks.push_back({{"check", failing}, {"ok", false}});
    checks.push_back({{"check", "clock"}, {"ok", *failing == 0}});
    task.OnEvent(Event("doctor", {{"checks", checks}}), kStart);
    EXPECT_EQ(task.exit_code(), code) << failing;
    EXPECT_EQ(output_.results.back()["checks"], checks);  // Shown also when it is bad news.
  }
}

TEST_F(TaskTest, TheAnswerOfEachVerbEndsItAndOthersDoNot) {
  const std::vector<std::pair<Verb, const char*>> answers = {
      {Verb::kSignup, "signed_up"},
      {Verb::kLogout, "logged_out"},
      {Verb::kList, "active"},
      {Verb::kBroadcast, "broadcast_sent"},
      {Verb::kBroadcastStatus, "broadcast_status"},
      {Verb::kBroadcastRevoke, "broadcast_status"}};
  for (const auto& [verb, answer] : answers) {
    Task task = Started(Spec(verb, "alice", "text"));
    EXPECT_EQ(task.TakeCommands().size(), 1u);
    task.OnEvent(Event("connected"), kStart);
    for (const auto& [_, foreign] : answers) {
      if (std::string_view(foreign) != answer) task.OnEvent(Event(foreign), kStart);
    }
    EXPECT_FALSE(task.exit_code()) << answer;
    task.OnEvent(Event(answer), kStart);
    EXPECT_EQ(task.exit_code(), ExitCode::kOk) << answer;
    EXPECT_EQ(output_.results.back()["event"], answer);
  }
}

TEST_F(TaskTest, LogInEndsWithTheNameThatWasAsked) {
  Task task = Started(Spec(Verb::kLogin, "Alice"));
  task.OnEvent(Event("logged_in", {{"username", "bob"}}), kStart);
  EXPECT_FALSE(task.exit_code());
  task.OnEvent(Event("logged_in", {{"username", "alice"}}), kStart);
  EXPECT_EQ(task.exit_code(), ExitCode::kOk);
}

TEST_F(TaskTest, WithoutASessionItSaysHowToGetOne) {
  Task task(Spec(Verb::kList), Task::Place::kAlone, output_);
  task.Start(false, kStart);
  task.OnEvent(Event("connected"), kStart);
  EXPECT_EQ(task.exit_code(), ExitCode::kIdentity);
  EXPECT_THAT(output_.messages, ElementsAre(HasSubstr("login")));
}

TEST_F(TaskTest, ErrorCodesBecomeExitCodes) {
  const std::vector<std::pair<const char*, ExitCode>> codes = {
      {"UNAUTHENTICATED", ExitCode::kIdentity},  {"SERVER_IDENTITY_CHANGED", ExitCode::kIdentity},
      {"PERMISSION_DENIED", ExitCode::kDenied},  {"UNAVAILABLE", ExitCode::kUnreachable},
      {"DEADLINE_EXCEEDED", ExitCode::kExpired}, {"INVALID_ARGUMENT", ExitCode::kError}};
  for (const auto& [code, exit] : codes) {
    Task task = Started(Spec(Verb::kBroadcast, "", "text"));
    task.OnEvent(Event("error", {{"code", code}, {"message", "m"}}), kStart);
    EXPECT_EQ(task.exit_code(), exit) << code;
  }
}

TEST_F(TaskTest, BesideARunningClientOnlyItsOwnErrorsCount) {
  Task task = Started(Spec(Verb::kList), Task::Place::kBeside);
  task.OnEvent(Event("error", {{"code", "INTERNAL"}}), kStart);
  EXPECT_FALSE(task.exit_code());
  task.OnEvent(Event("error", {{"code", "INTERNAL"}, {"answer", true}}), kStart);
  EXPECT_EQ(task.exit_code(), ExitCode::kError);
}

TEST_F(TaskTest, SendGoesStraightIntoAConversationThatIsThere) {
  Task task = Started(Spec(Verb::kSend, "bob", "hello"));
  const auto commands = task.TakeCommands();
  ASSERT_EQ(commands.size(), 1u);
  EXPECT_EQ(std::get<cmd::Msg>(commands[0]).text, "hello");
  task.OnEvent(Receipt("m1", "queued"), kStart);
  task.OnEvent(Receipt("other", "delivered"), kStart);
  EXPECT_FALSE(task.exit_code());
  task.OnEvent(Receipt("m1", "delivered"), kStart);
  EXPECT_EQ(task.exit_code(), ExitCode::kOk);
}

TEST_F(TaskTest, SendAsksFirstWhenThereIsNoConversation) {
  Task task = Asking();
  task.OnEvent(Outcome("r1", "approved"), kStart);
  EXPECT_THAT(task.TakeCommands(), IsEmpty());  // Not before the conversation is open.
  task.OnEvent(Event("chat_open", {{"peer", "bob"}}), kStart);
  const auto commands = task.TakeCommands();
  ASSERT_EQ(commands.size(), 1u);
  EXPECT_EQ(std::get<cmd::Msg>(commands[0]).peer, "Bob");
}

TEST_F(TaskTest, AnOutcomeMayComeBeforeTheAnswerThatNamesIt) {
  Task task = Started(Spec(Verb::kRequest, "bob"));
  task.OnEvent(Event("chat_open", {{"peer", "Bob"}}), kStart);
  task.OnEvent(Outcome("r1", "approved"), kStart);
  task.OnEvent(Outcome("r2", "denied"), kStart);
  EXPECT_FALSE(task.exit_code());
  task.OnEvent(Event("request_sent", {{"request_id", "r1"}, {"to", "Bob"}}), kStart);
  EXPECT_EQ(task.exit_code(), ExitCode::kOk);
}

TEST_F(TaskTest, EveryOtherOutcomeHasItsExitCode) {
  const std::vector<std::pair<const char*, ExitCode>> outcomes = {{"denied", ExitCode::kDenied},
                                                                  {"expired", ExitCode::kExpired},
                                                                  {"unavailable", ExitCode::kError},
                                                                  {"cancelled", ExitCode::kError}};
  for (const auto& [outcome, exit] : outcomes) {
    Task task = Asking();
    task.OnEvent(Outcome("r1", outcome), kStart);
    EXPECT_EQ(task.exit_code(), exit) << outcome;
  }
}

TEST_F(TaskTest, APersonWhoDoesNotAnswerIsNotWaitedForLongerThanAsked) {
  Task task = Asking();
  ASSERT_EQ(task.NextDeadline(), kStart + 90s);
  task.OnTimer(kStart + 89s);
  EXPECT_FALSE(task.exit_code());
  task.OnTimer(kStart + 90s);
  EXPECT_EQ(task.exit_code(), ExitCode::kExpired);
  EXPECT_EQ(task.NextDeadline(), std::nullopt);
}

TEST_F(TaskTest, AnApprovalThatNoConnectionFollowsIsTold) {
  Task task = Asking();
  task.OnEvent(Outcome("r1", "approved"), kStart + 85s);
  ASSERT_EQ(task.NextDeadline(), kStart + 105s);
  task.OnTimer(kStart + 105s);
  EXPECT_THAT(output_.messages, ElementsAre(HasSubstr("approved, but no connection")));
}

TEST_F(TaskTest, WhatIsQueuedForAPeerWhoIsAwayIsNotCalledLost) {
  Task task = Started(Spec(Verb::kSend, "bob", "hello"));
  task.OnEvent(Receipt("m1", "queued"), kStart);
  // The server is away too, which does not matter here.
  task.OnEvent(Event("retry", {{"reason", "unreachable"}, {"attempt", 6}, {"of", 0}}), kStart);
  EXPECT_FALSE(task.exit_code());
  task.OnTimer(kStart + 90s);
  EXPECT_EQ(task.exit_code(), ExitCode::kExpired);
  EXPECT_THAT(output_.messages, ElementsAre(HasSubstr("stays in the outbox")));
}

TEST_F(TaskTest, AServerThatIsAwayEndsItWhenTheTriesRunOut) {
  Task task = Started(Spec(Verb::kList));
  for (int attempt = 1; attempt <= 5; ++attempt) {
    task.OnEvent(Event("retry", {{"reason", "unreachable"}, {"attempt", attempt}, {"of", 5}}),
                 kStart);
    EXPECT_FALSE(task.exit_code());
  }
  EXPECT_THAT(output_.notes, ElementsAre("waiting (unreachable)"));  // Said once.
  task.OnEvent(Event("retry", {{"reason", "unreachable"}, {"attempt", 1}, {"of", 0}}), kStart);
  EXPECT_EQ(task.exit_code(), ExitCode::kUnreachable);
}

TEST_F(TaskTest, BeingToldToWaitIsNoFailure) {
  Task task = Started(Spec(Verb::kBroadcast, "", "text"));
  task.OnEvent(Event("connected"), kStart);
  task.OnEvent(Event("retry", {{"reason", "limited"}, {"attempt", 99}, {"of", 0}}), kStart);
  EXPECT_FALSE(task.exit_code());
}

TEST_F(TaskTest, APenaltyEndsItWithItsOwnCode) {
  Task task = Started(Spec(Verb::kRequest, "nobody"));
  task.OnEvent(Event("penalised", {{"reason", "no such user"}, {"next_step", "log in again"}}),
               kStart);
  EXPECT_EQ(task.exit_code(), ExitCode::kDenied);
  EXPECT_THAT(output_.messages, ElementsAre("no such user; log in again"));
}

TEST_F(TaskTest, ASignalEndsWatchWellAndOthersNot) {
  Task watch = Started(Spec(Verb::kWatch));
  watch.OnSignal();
  EXPECT_EQ(watch.exit_code(), ExitCode::kOk);
  Task list = Started(Spec(Verb::kList));
  list.OnSignal();
  EXPECT_EQ(list.exit_code(), ExitCode::kError);
}

TEST_F(TaskTest, NothingIsToldAfterTheEnd) {
  Task task = Started(Spec(Verb::kList));
  task.OnEvent(Event("active"), kStart);
  task.OnEvent(Event("error", {{"code", "INTERNAL"}}), kStart);
  task.OnBroken("gone");
  EXPECT_EQ(task.exit_code(), ExitCode::kOk);
  EXPECT_THAT(output_.errors, IsEmpty());
  EXPECT_EQ(output_.events, 1);
}

TEST_F(TaskTest, FieldsOfOtherTypesAreTakenAsMissing) {
  Task task = Asking();
  task.OnEvent(Event("request_outcome", {{"request_id", 7}, {"outcome", nullptr}}), kStart);
  task.OnEvent(Event("retry", {{"reason", {1, 2}}, {"attempt", "x"}, {"of", 5}}), kStart);
  task.OnEvent(Json{{"event", 3}}, kStart);
  EXPECT_FALSE(task.exit_code());
}

TEST_F(TaskTest, AnErrorWithoutACodeHasOneInTheEnd) {
  Task task = Started(Spec(Verb::kList));
  task.OnEvent(Event("error", {{"code", 7}}), kStart);
  EXPECT_EQ(task.exit_code(), ExitCode::kError);
  EXPECT_THAT(output_.errors, ElementsAre("UNKNOWN"));
}

TEST_F(TaskTest, ABroadcastWithAGoalEndsWhenSoManyHaveIt) {
  TaskSpec spec = Spec(Verb::kBroadcast, "", "tea");
  spec.goal = DeliveryGoal{.percent = 90, .count = 0};
  Task task = Started(std::move(spec));
  EXPECT_TRUE(std::holds_alternative<cmd::Broadcast>(task.TakeCommands().at(0)));
  task.OnEvent(Event("broadcast_sent", {{"id", "b1"}}), kStart);
  EXPECT_EQ(std::get<cmd::BroadcastStatus>(task.TakeCommands().at(0)).id, "b1");
  task.OnEvent(Status(8, 10), kStart);
  EXPECT_FALSE(task.exit_code());
  EXPECT_THAT(task.TakeCommands(), IsEmpty());
  const MonoTime next = task.NextDeadline().value();
  EXPECT_EQ(next, kStart + 500ms);
  task.OnTimer(next);
  EXPECT_EQ(task.TakeCommands().size(), 1u) << "asks again";
  task.OnEvent(Status(9, 10), next);
  EXPECT_EQ(task.exit_code(), ExitCode::kOk);
  ASSERT_EQ(output_.results.size(), 1u);
  EXPECT_EQ(output_.results[0]["delivered"], 9);
}

TEST_F(TaskTest, AGoalThatIsNotReachedInTimeIsExpiredAndSaysHowFarItGot) {
  Task task = Waiting();
  task.OnEvent(Status(1, 2), kStart);
  task.OnTimer(kStart + 10s);
  EXPECT_EQ(task.exit_code(), ExitCode::kExpired);
  EXPECT_THAT(output_.messages, ElementsAre(HasSubstr("1 of 2 have it so far")));
}

TEST_F(TaskTest, ABroadcastOfWhichNobodyIsDueYetIsWaitedFor) {
  Task task = Waiting();
  task.OnEvent(Status(0, 0), kStart);
  EXPECT_FALSE(task.exit_code());
  task.OnTimer(kStart + 10s);
  EXPECT_EQ(task.exit_code(), ExitCode::kExpired);
  EXPECT_THAT(output_.messages, ElementsAre(HasSubstr("nobody is known to have it so far")));
}

TEST_F(TaskTest, AnAnswerAboutASafeBroadcastThatIsLostIsAskedForAgain) {
  for (const char* code : {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}) {
    Task task = Waiting();
    task.OnEvent(Event("error", {{"code", code}, {"message", "m"}}), kStart);
    EXPECT_FALSE(task.exit_code()) << code;
    ASSERT_EQ(task.NextDeadline(), kStart + 500ms) << code;
    task.OnTimer(kStart + 500ms);
    const auto commands = task.TakeCommands();
    ASSERT_EQ(commands.size(), 1u) << code;
    EXPECT_EQ(std::get<cmd::BroadcastStatus>(commands[0]).id, "b1");
    task.OnEvent(Status(2, 2), kStart + 1s);
    EXPECT_EQ(task.exit_code(), ExitCode::kOk) << code;
  }
  EXPECT_THAT(output_.errors, IsEmpty());
}

TEST_F(TaskTest, ASafeBroadcastOutlivesTheServersAbsenceUntilItsTime) {
  Task task = Waiting();
  task.OnEvent(Event("connected"), kStart);
  task.OnEvent(Event("retry", {{"reason", "lost"}, {"attempt", 7}, {"of", 0}}), kStart + 5s);
  EXPECT_FALSE(task.exit_code());
  task.OnTimer(kStart + 10s);
  EXPECT_EQ(task.exit_code(), ExitCode::kExpired);
  EXPECT_THAT(output_.messages, ElementsAre(HasSubstr("Its id: b1")));
}

TEST_F(TaskTest, OtherErrorsAboutASafeBroadcastEndTheWait) {
  Task task = Waiting();
  task.OnEvent(Event("error", {{"code", "UNAUTHENTICATED"}, {"message", "m"}}), kStart);
  EXPECT_EQ(task.exit_code(), ExitCode::kIdentity);
}

TEST_F(TaskTest, ADryRunSaysForHowLongAndWhoSaysSo) {
  struct Case {
    uint32_t asked, kept;
    uint32_t ttl_s;
    const char* from;
  };
  for (const Case& c :
       {Case{0, 900, 900, "server"}, Case{60, 900, 60, "option"}, Case{1200, 900, 900, "server"},
        Case{60, 0, 60, "option"}, Case{0, 0, 1800, "protocol"}}) {
    TaskSpec spec = Spec(Verb::kBroadcast, "", "tea");
    spec.dry_run = true;
    spec.ttl_s = c.asked;
    Task task = Started(std::move(spec));
    Json active = Event("active", {{"clients", {{{"username", "bob"}}}}});
    if (c.kept > 0) active["broadcast_life_s"] = c.kept;
    task.OnEvent(active, kStart);
    EXPECT_EQ(task.exit_code(), ExitCode::kOk);
    EXPECT_EQ(output_.results.back()["due_now"], 1);
    EXPECT_EQ(output_.results.back()["ttl_s"], c.ttl_s) << c.asked << " of " << c.kept;
    EXPECT_EQ(output_.results.back()["ttl_from"], c.from) << c.asked << " of " << c.kept;
  }
}

TEST(DeliveryGoalTest, CountsOrComparesWithWhoIsDue) {
  const DeliveryGoal all{.percent = 100, .count = 0};
  EXPECT_FALSE(all.Reached(1, 2));
  EXPECT_TRUE(all.Reached(2, 2));
  const DeliveryGoal three{.percent = 0, .count = 3};
  EXPECT_FALSE(three.Reached(2, 2));
  EXPECT_TRUE(three.Reached(3, 9));
}

// The sender is due himself: nobody due means that the server could not write it down yet.
TEST(DeliveryGoalTest, NobodyDueIsNoGoalReached) {
  for (const auto& goal :
       {DeliveryGoal{.percent = 100, .count = 0}, DeliveryGoal{.percent = 1, .count = 0},
        DeliveryGoal{.percent = 0, .count = 1}}) {
    EXPECT_FALSE(goal.Reached(0, 0));
    EXPECT_FALSE(goal.Reached(0, 1));
    EXPECT_TRUE(goal.Reached(1, 1)) << "alone, oneself is enough";
  }
}

TEST(DeliveryGoalTest, IsReadFromItsThreeForms) {
  EXPECT_EQ(ParseGoal("all")->percent, 100u);
  EXPECT_EQ(ParseGoal("90%")->percent, 90u);
  EXPECT_EQ(ParseGoal("12")->count, 12u);
  for (const char* bad : {"", "0", "0%", "101%", "-1", "most", "9%%"}) {
    EXPECT_FALSE(ParseGoal(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace p2p::client::oneshot
