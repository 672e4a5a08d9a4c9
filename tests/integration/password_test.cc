// A change of password by the real server: what it asks for, what it ends, what it leaves alone.
#include <gmock/gmock.h>

#include <thread>

#include "p2p/v1/peering.grpc.pb.h"
#include "tests/integration/server_fixture.h"

namespace p2p::server {
namespace {

using grpc::StatusCode;
using ::testing::StartsWith;

constexpr char kOld[] = "correct horse";
constexpr char kNew[] = "battery staple";

class PasswordTest : public ServerFixture {
 protected:
  void SetUp() override {
    StartServer();
    ASSERT_TRUE(NewCaller().Signup("alice", kOld, kOld).ok());
  }
  TestCaller LoggedIn() {
    TestCaller caller = NewCaller();
    EXPECT_TRUE(caller.Login("alice", kOld).ok());
    return caller;
  }
};

TEST_F(PasswordTest, TheNewOneWorksAndTheOldOneDoesNot) {
  TestCaller caller = LoggedIn();
  ASSERT_TRUE(caller.ChangePassword(kOld, kNew, kNew).ok());
  EXPECT_TRUE(caller.ListActive().ok());  // The caller's own session stays.
  StopServer();                           // What was acknowledged is on disk.
  StartServer();
  EXPECT_EQ(NewCaller().Login("alice", kOld).error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(NewCaller().Login("alice", kNew).ok());
}

TEST_F(PasswordTest, OtherSessionsEndAndTheirClientsHearIt) {
  TestCaller here = LoggedIn(), there = NewCaller();
  v1::LoginRequest request;
  request.set_username("alice");
  request.set_password(kOld);
  request.set_device_public_key(std::string(32, 'd'));
  request.mutable_chat_endpoint()->set_port(4400);
  ASSERT_TRUE(there.Login(request).ok());
  grpc::ClientContext context;
  context.AddMetadata("authorization", there.authorization);
  const auto stub = v1::PeeringService::NewStub(there.channel());
  const auto stream = stub->ApprovalChannel(&context);
  v1::ClientEvent attach;
  attach.mutable_attach();
  ASSERT_TRUE(stream->Write(attach));
  v1::ServerEvent event;
  do {
    ASSERT_TRUE(stream->Read(&event));
  } while (!event.has_attached());

  ASSERT_TRUE(here.ChangePassword(kOld, kNew, kNew).ok());
  const MonoTime changed = clock_.Mono();
  while (stream->Read(&event) && !event.has_detached()) {
  }
  EXPECT_EQ(event.detached().reason(), v1::Detached::SESSION_ENDED);
  EXPECT_LT(clock_.Mono() - changed, 1s);
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(there.ListActive().error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(here.ListActive().ok());
}

TEST_F(PasswordTest, GuessingTheOldOneIsHeldUpLikeGuessingAtALogIn) {
  TestCaller caller = LoggedIn();
  grpc::Status status;
  int tries = 0;
  do {
    status = caller.ChangePassword("not the old one", kNew, kNew);
  } while (status.error_code() == StatusCode::PERMISSION_DENIED && ++tries < 20);
  EXPECT_EQ(tries, 10);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(caller.ChangePassword(kOld, kNew, kNew).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(caller.ListActive().ok());  // The session goes on.
}

TEST_F(PasswordTest, NeedsTheOldOne) {
  TestCaller caller = LoggedIn(), other = LoggedIn();
  const grpc::Status status = caller.ChangePassword("not the old one", kNew, kNew);
  EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), StartsWith("old_password"));
  EXPECT_TRUE(NewCaller().Login("alice", kOld).ok());
  EXPECT_TRUE(other.ListActive().ok());
}

TEST_F(PasswordTest, OfTwoAtOnceOneWins) {
  TestCaller first = LoggedIn(), second = LoggedIn();
  grpc::Status statuses[2];
  std::thread one([&] { statuses[0] = first.ChangePassword(kOld, kNew, kNew); });
  std::thread two([&] { statuses[1] = second.ChangePassword(kOld, "another one", "another one"); });
  one.join();
  two.join();
  EXPECT_NE(statuses[0].ok(), statuses[1].ok());
  const std::string won = statuses[0].ok() ? kNew : "another one";
  EXPECT_TRUE(NewCaller().Login("alice", won).ok());
}

TEST_F(PasswordTest, FieldsAreNamed) {
  TestCaller caller = LoggedIn();
  const auto expect = [&](const char* field, const std::string& old, const std::string& fresh,
                          const std::string& confirm) {
    const grpc::Status status = caller.ChangePassword(old, fresh, confirm);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << field;
    EXPECT_THAT(status.error_message(), StartsWith(field));
  };
  expect("old_password", "", kNew, kNew);
  expect("old_password", std::string(257, 'x'), kNew, kNew);
  expect("new_password", kOld, "", "");
  expect("new_password", kOld, "short", "short");
  expect("new_password", kOld, std::string(257, 'x'), std::string(257, 'x'));
  expect("confirm_password", kOld, kNew, "");
  expect("confirm_password", kOld, kNew, "battery stable");
  caller.authorization.clear();
  EXPECT_EQ(caller.ChangePassword(kOld, kNew, kNew).error_code(), StatusCode::UNAUTHENTICATED);
}

}  // namespace
}  // namespace p2p::server
