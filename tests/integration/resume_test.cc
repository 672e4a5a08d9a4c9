// Renewal of sessions by the real server: who gets new tokens, who ends a session, who learns what.
#include <gmock/gmock.h>

#include "tests/integration/server_fixture.h"

namespace p2p::server {
namespace {

using grpc::StatusCode;
using ::testing::StartsWith;

constexpr char kPassword[] = "correct horse";

class ResumeTest : public ServerFixture {
 protected:
  void SetUp() override {
    StartServer();
    TestCaller caller = NewCaller();
    ASSERT_TRUE(caller.Signup("alice", kPassword, kPassword).ok());
  }
  v1::LoginResponse LogIn(TestCaller& caller) {
    v1::LoginRequest request;
    request.set_username("alice");
    request.set_password(kPassword);
    request.set_device_public_key(ToString(device_.public_key()));
    request.mutable_chat_endpoint()->set_port(4400);
    const grpc::Status status = caller.Login(request);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return caller.login;
  }
  // The tokens that came of it; what `caller` presents from now on.
  v1::LoginResponse Resumed(TestCaller& caller, const std::string& token) {
    const grpc::Status status = Try(caller, token);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return caller.login;
  }
  grpc::Status Try(TestCaller& caller, const std::string& token) {
    return caller.Resume(token, device_, server_->identity().key_digest);
  }
  StatusCode Use(TestCaller& caller, const std::string& access) {
    caller.authorization = "Bearer " + access;
    return caller.ListActive().error_code();
  }

  const crypto::SigningKey device_ = crypto::SigningKey::Generate();
};

TEST_F(ResumeTest, ARenewalBringsTheWholeSessionAnew) {
  TestCaller caller = NewCaller();
  const auto first = LogIn(caller);
  ASSERT_FALSE(first.resume_token().empty());
  TestCaller later = NewCaller();
  const auto second = Resumed(later, first.resume_token());
  EXPECT_NE(second.session_token(), first.session_token());
  EXPECT_NE(second.resume_token(), first.resume_token());
  EXPECT_EQ(second.username(), "alice");
  EXPECT_EQ(second.user_id(), first.user_id());
  EXPECT_EQ(second.choices_size(), 2);
  EXPECT_EQ(second.server_keys().introducer_public_key(),
            first.server_keys().introducer_public_key());
  // Both are good until the new one is presented.
  EXPECT_EQ(Use(caller, first.session_token()), StatusCode::OK);
  EXPECT_EQ(Use(later, second.session_token()), StatusCode::OK);
  EXPECT_EQ(Use(caller, first.session_token()), StatusCode::UNAUTHENTICATED);
}

TEST_F(ResumeTest, AnAnswerThatWasLostIsGivenAgainAndVoidsTheOther) {
  TestCaller caller = NewCaller();
  const auto first = LogIn(caller);
  const auto lost = Resumed(caller, first.resume_token());
  const auto got = Resumed(caller, first.resume_token());
  EXPECT_EQ(Use(caller, lost.session_token()), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Try(caller, lost.resume_token()).error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Use(caller, got.session_token()), StatusCode::OK);  // Nobody was punished for it.
}

TEST_F(ResumeTest, ATokenWhoseSuccessorWasUsedEndsTheSession) {
  TestCaller caller = NewCaller(), thief = NewCaller();
  const auto first = LogIn(caller);
  const auto second = Resumed(caller, first.resume_token());
  EXPECT_EQ(Use(caller, second.session_token()), StatusCode::OK);
  EXPECT_EQ(Try(thief, first.resume_token()).error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Use(caller, second.session_token()), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Try(caller, second.resume_token()).error_code(), StatusCode::UNAUTHENTICATED);
}

TEST_F(ResumeTest, ATokenWhoseSuccessorWasResumedWithEndsTheSession) {
  TestCaller caller = NewCaller();
  const auto first = LogIn(caller);
  const auto second = Resumed(caller, first.resume_token());
  const auto third = Resumed(caller, second.resume_token());  // No access token was presented.
  EXPECT_EQ(Try(caller, first.resume_token()).error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Use(caller, third.session_token()), StatusCode::UNAUTHENTICATED);
}

TEST_F(ResumeTest, WhateverIsWrongIsToldInTheSameWords) {
  TestCaller caller = NewCaller();
  const auto session = LogIn(caller);
  const auto& token = session.resume_token();
  const auto& server = server_->identity().key_digest;
  const auto stranger = crypto::SigningKey::Generate();
  crypto::Digest256 elsewhere = server;
  elsewhere[0] ^= 1;
  std::string unknown = token;
  unknown[0] = unknown[0] == 'A' ? 'B' : 'A';
  const grpc::Status answers[] = {
      caller.Resume(token, stranger, server), caller.Resume(token, device_, elsewhere),
      caller.Resume(unknown, device_, server), caller.Resume("nonsense", device_, server),
      caller.Resume(session.session_token(), device_, server)};
  for (const grpc::Status& answer : answers) {
    EXPECT_EQ(answer.error_code(), StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(answer.error_message(), answers[0].error_message());
    EXPECT_EQ(answer.error_details(), "");
  }
  EXPECT_TRUE(Try(caller, token).ok());  // None of that cost anything.
}

TEST_F(ResumeTest, FieldsOfTheWrongSizeAreNamed) {
  TestCaller caller = NewCaller();
  v1::ResumeRequest request;
  const auto expect = [&](const char* field) {
    const grpc::Status status = caller.Resume(request);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), StartsWith(field));
  };
  expect("resume_token");
  request.set_resume_token(std::string(65, 'A'));
  expect("resume_token");
  request.set_resume_token("A");
  request.set_client_nonce(std::string(15, 'n'));
  expect("client_nonce");
  request.set_client_nonce(std::string(16, 'n'));
  request.set_device_signature(std::string(63, 's'));
  expect("device_signature");
  request.set_device_signature(std::string(64, 's'));
  request.mutable_chat_endpoint()->set_port(80);
  expect("chat_endpoint");
}

TEST_F(ResumeTest, LogOutEndsTheResumeTokenToo) {
  TestCaller caller = NewCaller();
  const auto first = LogIn(caller);
  const auto second = Resumed(caller, first.resume_token());
  ASSERT_TRUE(caller.Logout().ok());
  EXPECT_EQ(Try(caller, second.resume_token()).error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Try(caller, first.resume_token()).error_code(), StatusCode::UNAUTHENTICATED);
}

TEST_F(ResumeTest, WhatWasUsedIsKnownAfterARestart) {
  v1::LoginResponse first, second;
  {
    TestCaller caller = NewCaller();
    first = LogIn(caller);
    second = Resumed(caller, first.resume_token());
    EXPECT_EQ(Use(caller, second.session_token()), StatusCode::OK);
  }
  StopServer();
  StartServer();
  TestCaller caller = NewCaller();
  EXPECT_EQ(Use(caller, second.session_token()), StatusCode::OK);
  EXPECT_EQ(Try(caller, first.resume_token()).error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Use(caller, second.session_token()), StatusCode::UNAUTHENTICATED);
}

}  // namespace
}  // namespace p2p::server
