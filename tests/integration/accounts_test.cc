// AccountService and DirectoryService of the real server, from the outside: what works, and every
// way in which a request can be wrong.
#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/integration/server_fixture.h"

namespace p2p::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kPassword[] = "correct horse";

// What a status is about: its code, and the field its message begins with.
void ExpectInvalid(const grpc::Status& status, const std::string& field) {
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  EXPECT_THAT(status.error_message(), StartsWith(field));
}

class AccountsTest : public ServerFixture {
 protected:
  void SetUp() override { StartServer(); }
};

TEST_F(AccountsTest, HelloSaysWhatCanBeDone) {
  TestCaller caller = NewCaller();
  ASSERT_TRUE(caller.Hello().ok());
  EXPECT_EQ(caller.hello.api_version(), 1u);
  EXPECT_TRUE(caller.hello.signup_open());
  EXPECT_THAT(caller.hello.choices(), ElementsAre(v1::LOGIN, v1::SIGNUP));
  EXPECT_EQ(server_->connections().figures().authenticated, 0u);
}

TEST_F(AccountsTest, HelloRefusesALongVersion) {
  TestCaller caller = NewCaller();
  EXPECT_TRUE(caller.Hello("").ok());
  EXPECT_TRUE(caller.Hello(std::string(64, 'v')).ok());
  ExpectInvalid(caller.Hello(std::string(65, 'v')), "client_version");
}

TEST_F(AccountsTest, SignupThenLoginThenListThenLogout) {
  TestCaller caller = NewCaller();
  ASSERT_TRUE(caller.Signup("Alice", kPassword, kPassword).ok());
  EXPECT_THAT(caller.signup.message(), HasSubstr("log in with your username and password"));
  // Signing up does not log in.
  EXPECT_EQ(caller.ListActive().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  ASSERT_TRUE(caller.Login("aLICE", kPassword).ok());
  EXPECT_EQ(caller.login.username(), "Alice");
  EXPECT_EQ(caller.login.user_id().size(), 16u);
  EXPECT_THAT(caller.login.choices(), ElementsAre(v1::LIST_ACTIVE, v1::BROADCAST));
  EXPECT_FALSE(caller.login.has_server_keys());
  EXPECT_TRUE(caller.login.resume_token().empty());
  EXPECT_EQ(server_->connections().figures().authenticated, 1u);
  ASSERT_TRUE(caller.ListActive().ok());
  ASSERT_TRUE(caller.Logout().ok());
  EXPECT_EQ(caller.ListActive().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(caller.Logout().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(AccountsTest, ADeviceKeyBringsTheServersKeys) {
  TestCaller caller = NewCaller();
  ASSERT_TRUE(caller.Signup("alice", kPassword, kPassword).ok());
  v1::LoginRequest request;
  request.set_username("alice");
  request.set_password(kPassword);
  request.set_device_public_key(std::string(32, 'k'));
  request.mutable_chat_endpoint()->set_port(4400);
  ASSERT_TRUE(caller.Login(request).ok());
  const auto& keys = caller.login.server_keys();
  EXPECT_EQ(keys.introducer_public_key(), ToString(server_->identity().introducer.public_key()));
  EXPECT_EQ(keys.broadcast_public_key(), ToString(server_->identity().broadcaster.public_key()));
}

TEST_F(AccountsTest, SignupNamesTheFieldThatIsWrong) {
  TestCaller caller = NewCaller();
  ExpectInvalid(caller.Signup("", kPassword, kPassword), "username");
  ExpectInvalid(caller.Signup("al", kPassword, kPassword), "username");
  ExpectInvalid(caller.Signup(std::string(33, 'a'), kPassword, kPassword), "username");
  ExpectInvalid(caller.Signup("al ice", kPassword, kPassword), "username");
  ExpectInvalid(caller.Signup("Admin", kPassword, kPassword), "username");
  ExpectInvalid(caller.Signup("alice", "", kPassword), "password");
  ExpectInvalid(caller.Signup("alice", "7 chars", "7 chars"), "password");
  ExpectInvalid(caller.Signup("alice", std::string(257, 'x'), std::string(257, 'x')), "password");
  ExpectInvalid(caller.Signup("alice", kPassword, ""), "confirm_password");
  ExpectInvalid(caller.Signup("alice", kPassword, "correct hors"), "confirm_password");
  // None of that created anything.
  EXPECT_TRUE(caller.Signup("alice", kPassword, kPassword).ok());
  const grpc::Status again = caller.Signup("ALICE", kPassword, kPassword);
  EXPECT_EQ(again.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(again.error_message(), StartsWith("username"));
}

TEST_F(AccountsTest, LoginNamesTheFieldThatIsWrong) {
  TestCaller caller = NewCaller();
  ExpectInvalid(caller.Login("", kPassword), "username");
  ExpectInvalid(caller.Login(std::string(33, 'a'), kPassword), "username");
  ExpectInvalid(caller.Login("alice", ""), "password");
  ExpectInvalid(caller.Login("alice", std::string(257, 'x')), "password");
  v1::LoginRequest request;
  request.set_username("alice");
  request.set_password(kPassword);
  request.set_device_public_key(std::string(31, 'k'));
  ExpectInvalid(caller.Login(request), "device_public_key");
  request.set_device_public_key(std::string(33, 'k'));
  ExpectInvalid(caller.Login(request), "device_public_key");
  request.clear_device_public_key();
  for (const uint32_t port : {0u, 1023u, 65536u}) {
    request.mutable_chat_endpoint()->set_port(port);
    ExpectInvalid(caller.Login(request), "chat_endpoint");
  }
}

TEST_F(AccountsTest, AnUnknownUserAndAWrongPasswordCannotBeToldApart) {
  TestCaller caller = NewCaller();
  ASSERT_TRUE(caller.Signup("alice", kPassword, kPassword).ok());
  // The quickest of some tries, taken in turns: the load of the machine hits all alike.
  std::map<std::string, double> quickest;
  std::map<std::string, std::string> answer;
  for (int i = 0; i < 10; ++i) {
    for (const char* name : {"alice", "mallory", "1!"}) {
      const auto start = std::chrono::steady_clock::now();
      const grpc::Status status = caller.Login(name, "wrong password");
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
      answer[name] = status.error_message();
      const auto [it, first] = quickest.try_emplace(name, took.count());
      if (!first) it->second = std::min(it->second, took.count());
    }
  }
  EXPECT_EQ(answer["mallory"], answer["alice"]);
  EXPECT_EQ(answer["1!"], answer["alice"]);
  // A hash takes ten times what the rest does: one that is skipped would be far outside.
  EXPECT_GT(quickest["mallory"], quickest["alice"] / 3);
  EXPECT_GT(quickest["1!"], quickest["alice"] / 3);
  EXPECT_GT(quickest["alice"], quickest["mallory"] / 3);
}

TEST_F(AccountsTest, NoTokenAndWrongTokensAreUnauthenticated) {
  TestCaller caller = NewCaller();
  ASSERT_TRUE(caller.Signup("alice", kPassword, kPassword).ok());
  ASSERT_TRUE(caller.Login("alice", kPassword).ok());
  const std::string good = caller.authorization;
  for (const std::string& bad :
       {std::string(), std::string("Bearer"), std::string("Bearer "), "Basic " + good.substr(7),
        good + "A", good.substr(0, good.size() - 1), "Bearer " + std::string(43, 'A')}) {
    caller.authorization = bad;
    EXPECT_EQ(caller.ListActive().error_code(), grpc::StatusCode::UNAUTHENTICATED) << bad;
    EXPECT_EQ(caller.Logout().error_code(), grpc::StatusCode::UNAUTHENTICATED) << bad;
  }
  caller.authorization = good;
  EXPECT_TRUE(caller.ListActive().ok());
}

TEST_F(AccountsTest, ListActiveRefusesWhatIsOutOfRange) {
  TestCaller caller = NewCaller();
  ASSERT_TRUE(caller.Signup("alice", kPassword, kPassword).ok());
  ASSERT_TRUE(caller.Login("alice", kPassword).ok());
  EXPECT_TRUE(caller.ListActive(1000).ok());
  ExpectInvalid(caller.ListActive(1001), "page_size");
  ExpectInvalid(caller.ListActive(0, std::string(65, 'a')), "page_token");
  ExpectInvalid(caller.ListActive(0, "../etc"), "page_token");
}

// Pinned: gRPC refuses the string itself, before our code runs.
TEST_F(AccountsTest, TextThatIsNotUtf8IsRefusedAndTheConnectionLives) {
  TestCaller caller = NewCaller();
  ASSERT_TRUE(caller.Hello().ok());
  const std::string field_1(
      "\x0A\x04"
      "ab\xFF\xFE");
  for (const char* method :
       {"AccountService/Hello", "AccountService/Signup", "AccountService/Login"}) {
    const grpc::Status status = caller.Raw(absl::StrCat("/p2p.v1.", method), field_1);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << method;
    EXPECT_EQ(status.error_message(), "") << method;
  }
  const std::string field_2("\x12\x02\xC3\x28");
  EXPECT_EQ(caller.Raw("/p2p.v1.DirectoryService/ListActive", field_2).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(caller.Hello().ok());
  EXPECT_EQ(server_->connections().counters().Get(Admission::kServed), 1u);  // The same connection.
}

TEST_F(AccountsTest, TruncatedAndOversizedMessagesDoNotHurt) {
  TestCaller caller = NewCaller();
  ASSERT_TRUE(caller.Signup("alice", kPassword, kPassword).ok());
  ASSERT_TRUE(caller.Login("alice", kPassword).ok());
  EXPECT_FALSE(caller.Raw("/p2p.v1.AccountService/Hello", "\x0A\x7F").ok());
  EXPECT_EQ(caller.Raw("/p2p.v1.AccountService/Signup", std::string(65 * 1024, '\0')).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(caller.Raw("/p2p.v1.AccountService/Nonsense", "").error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(caller.Hello().ok());
}

TEST_F(AccountsTest, AnOversizedMessageFromAStrangerCostsItsConnection) {
  TestCaller stranger = NewCaller();
  // gRPC may refuse the first one by its length, before its bytes are counted: those add up.
  EXPECT_TRUE(WaitUntil([&] {
    const grpc::Status status =
        stranger.Raw("/p2p.v1.AccountService/Signup", std::string(256 * 1024, '\0'));
    EXPECT_FALSE(status.ok());
    return server_->connections().counters().Get(Admission::kTooManyBytes) > 0;
  }));
  EXPECT_TRUE(NewCaller().Hello().ok());
}

TEST_F(AccountsTest, AnAccountHoldsEightTokensAndTheOldestGoes) {
  TestCaller caller = NewCaller();
  ASSERT_TRUE(caller.Signup("alice", kPassword, kPassword).ok());
  std::vector<std::string> tokens;
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(caller.Login("alice", kPassword).ok());
    tokens.push_back(caller.authorization);
  }
  caller.authorization = tokens[0];
  EXPECT_EQ(caller.ListActive().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  for (size_t i = 1; i < tokens.size(); ++i) {
    caller.authorization = tokens[i];
    EXPECT_TRUE(caller.ListActive().ok()) << i;
  }
}

TEST_F(AccountsTest, AccountsTokensAndKeysSurviveARestart) {
  std::string token, gone;
  {
    TestCaller caller = NewCaller();
    ASSERT_TRUE(caller.Signup("alice", kPassword, kPassword).ok());
    ASSERT_TRUE(caller.Login("alice", kPassword).ok());
    gone = caller.authorization;
    ASSERT_TRUE(caller.Logout().ok());
    ASSERT_TRUE(caller.Login("alice", kPassword).ok());
    token = caller.authorization;
  }
  const std::string fingerprint = server_->identity().fingerprint;
  const auto introducer = server_->identity().introducer.public_key();
  StopServer();
  StartServer();
  EXPECT_EQ(server_->identity().fingerprint, fingerprint);
  EXPECT_EQ(server_->identity().introducer.public_key(), introducer);
  TestCaller caller = NewCaller();
  caller.authorization = token;
  const grpc::Status listed = caller.ListActive();
  EXPECT_TRUE(listed.ok()) << listed.error_message();
  caller.authorization = gone;
  EXPECT_EQ(caller.ListActive().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(caller.Login("alice", kPassword).ok());
}

TEST_F(AccountsTest, ManyLoginsAtOnceAreAllAnswered) {
  TestCaller first = NewCaller();
  ASSERT_TRUE(first.Signup("alice", kPassword, kPassword).ok());
  std::vector<std::thread> threads;
  std::atomic<int> ok{0}, refused{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      TestCaller caller = NewCaller();
      for (int i = 0; i < 5; ++i) {
        const grpc::Status status = caller.Login("alice", kPassword);
        if (status.ok()) ++ok;
        if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) ++refused;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(ok + refused, 40);
  EXPECT_GT(ok, 0);
}

// The list is username and address, and by promise nothing else, on the wire too.
TEST(PromiseTest, AnActiveClientHasExactlyTwoFields) {
  const auto* entry = v1::ActiveClient::descriptor();
  ASSERT_EQ(entry->field_count(), 2);
  EXPECT_EQ(entry->field(0)->name(), "username");
  EXPECT_EQ(entry->field(1)->name(), "ip_address");
  EXPECT_EQ(entry->extension_range_count(), 0);
}

class RateLimitTest : public ServerFixture {
 protected:
  // How long to wait, when the status says so.
  static std::optional<Duration> WaitOf(const grpc::Status& status) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
    google::rpc::Status details;
    google::rpc::RetryInfo retry;
    if (!details.ParseFromString(status.error_details()) || details.details_size() != 1 ||
        !details.details(0).UnpackTo(&retry)) {
      return std::nullopt;
    }
    return std::chrono::seconds(retry.retry_delay().seconds()) +
           std::chrono::nanoseconds(retry.retry_delay().nanos());
  }
};

TEST_F(RateLimitTest, GuessingIsHeldUpAndLiveSessionsAreNot) {
  StartServer();
  TestCaller owner = NewCaller(), guesser = NewCaller();
  ASSERT_TRUE(owner.Signup("alice", kPassword, kPassword).ok());
  ASSERT_TRUE(owner.Login("alice", kPassword).ok());
  std::vector<std::string> said;
  for (const char* name : {"alice", "nobody-here"}) {  // The answers tell nobody who exists.
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(guesser.Login(name, "a wrong guess").error_code(),
                grpc::StatusCode::UNAUTHENTICATED);
    }
    const grpc::Status held_up = guesser.Login(absl::AsciiStrToUpper(name), kPassword);
    const auto wait = WaitOf(held_up);
    ASSERT_TRUE(wait.has_value());
    EXPECT_GT(*wait, 20s);
    EXPECT_LE(*wait, 30s);
    said.push_back(held_up.error_message());
  }
  EXPECT_EQ(said[0], said[1]);
  EXPECT_TRUE(owner.ListActive().ok());
}

TEST_F(RateLimitTest, SignUpsAboveTheLimitAreRefusedBeforeAnythingIsDone) {
  options_.rates.signup_total = {.burst = 2, .every = 1h};
  StartServer();
  TestCaller caller = NewCaller();
  ASSERT_TRUE(caller.Signup("alice", kPassword, kPassword).ok());
  EXPECT_FALSE(caller.Signup("bob", kPassword, "another one").ok());  // Costs nothing.
  ASSERT_TRUE(caller.Signup("bob", kPassword, kPassword).ok());
  const auto wait = WaitOf(caller.Signup("carol", kPassword, kPassword));
  ASSERT_TRUE(wait.has_value());
  EXPECT_GT(*wait, 59min);
  EXPECT_LE(*wait, 1h);
  // Not even whether a name is taken can be asked for nothing.
  EXPECT_TRUE(WaitOf(caller.Signup("alice", kPassword, kPassword)).has_value());
  EXPECT_TRUE(caller.Login("alice", kPassword).ok());  // Log-ins are another matter.
}

TEST_F(RateLimitTest, CallsAreCountedByAccountWhateverTheConnection) {
  options_.rates.calls = {.burst = 4, .every = 1h};
  StartServer();
  TestCaller alice = NewCaller();
  ASSERT_TRUE(alice.Signup("alice", kPassword, kPassword).ok());
  ASSERT_TRUE(alice.Signup("bob", kPassword, kPassword).ok());
  ASSERT_TRUE(alice.Login("alice", kPassword).ok());
  TestCaller elsewhere = NewCaller();
  ASSERT_TRUE(elsewhere.Login("alice", kPassword).ok());
  TestCaller bob = NewCaller();
  ASSERT_TRUE(bob.Login("bob", kPassword).ok());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(alice.ListActive().ok());
    ASSERT_TRUE(elsewhere.ListActive().ok());
  }
  EXPECT_TRUE(WaitOf(alice.ListActive()).has_value());
  EXPECT_TRUE(WaitOf(elsewhere.ListActive()).has_value());
  EXPECT_TRUE(bob.ListActive().ok());
}

TEST_F(RateLimitTest, WhoWaitsAsLongAsToldIsServed) {
  options_.rates.calls = {.burst = 1, .every = 300ms};
  StartServer();
  TestCaller alice = NewCaller();
  ASSERT_TRUE(alice.Signup("alice", kPassword, kPassword).ok());
  ASSERT_TRUE(alice.Login("alice", kPassword).ok());
  ASSERT_TRUE(alice.ListActive().ok());
  const auto wait = WaitOf(alice.ListActive());
  ASSERT_TRUE(wait.has_value());
  EXPECT_LE(*wait, 300ms);
  std::this_thread::sleep_for(*wait);
  EXPECT_TRUE(alice.ListActive().ok());
}

class ClosedServerTest : public ServerFixture {};

TEST_F(ClosedServerTest, ASignupIsRefusedAndHelloSaysSo) {
  options_.signup_open = false;
  StartServer();
  TestCaller caller = NewCaller();
  ASSERT_TRUE(caller.Hello().ok());
  EXPECT_FALSE(caller.hello.signup_open());
  EXPECT_THAT(caller.hello.choices(), ElementsAre(v1::LOGIN));
  EXPECT_EQ(caller.Signup("alice", kPassword, kPassword).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(ClosedServerTest, ADataDirectoryAndAPortHaveOneServer) {
  StartServer();
  ServerOptions other = options_;
  auto second = Server::Start(other, clock_, [](const absl::Status&) {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists) << second.status();
  const TemporaryDirectory elsewhere;
  other.data_dir = elsewhere.path();
  other.listen = server_->address();
  second = Server::Start(other, clock_, [](const absl::Status&) {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists) << second.status();
}

}  // namespace
}  // namespace p2p::server
