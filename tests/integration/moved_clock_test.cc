// A whole server whose wall clock is set an hour or a day off while people are attached: what is
// timed goes on as if nothing had happened, nobody's session ends, none that ended comes back.
#include "p2p/v1/broadcast.grpc.pb.h"
#include "p2p/v1/peering.grpc.pb.h"
#include "tests/integration/server_fixture.h"

namespace p2p::server {
namespace {

using grpc::StatusCode;

constexpr char kPassword[] = "correct horse";
constexpr Duration kRequestExpiry = 2s;
constexpr Duration kSlack = 4s;  // Of a busy machine; far less than any shift.

// A member's connection with an attached channel.
class Member {
 public:
  Member(TestCaller caller, const std::string& name, const crypto::SigningKey& device)
      : caller_(std::move(caller)), device_(device) {
    EXPECT_TRUE(caller_.Signup(name, kPassword, kPassword).ok());
    v1::LoginRequest request;
    request.set_username(name);
    request.set_password(kPassword);
    request.set_device_public_key(ToString(device_.public_key()));
    request.mutable_chat_endpoint()->set_port(4401);
    EXPECT_TRUE(caller_.Login(request).ok());
    peering_ = v1::PeeringService::NewStub(caller_.channel());
    broadcasts_ = v1::BroadcastService::NewStub(caller_.channel());
  }
  ~Member() {
    if (stream_ == nullptr) return;
    context_.TryCancel();
    stream_->Finish();
  }

  void Attach() {
    Authorize(context_);
    stream_ = peering_->ApprovalChannel(&context_);
    v1::ClientEvent event;
    event.mutable_attach();
    EXPECT_TRUE(stream_->Write(event));
    Await(v1::ServerEvent::kAttached);
  }
  // The next event of that kind; an empty one when the channel ends before.
  v1::ServerEvent Await(v1::ServerEvent::EventCase kind) {
    v1::ServerEvent event;
    while (stream_->Read(&event)) {
      if (event.event_case() == kind) return event;
    }
    ADD_FAILURE() << "the channel ended: " << stream_->Finish().error_message();
    stream_.reset();
    return {};
  }
  void Ask(const std::string& peer) {
    v1::RequestPeerRequest request;
    request.set_username(peer);
    request.set_nonce(std::string(16, 'n'));
    v1::RequestPeerResponse response;
    grpc::ClientContext context;
    Authorize(context);
    EXPECT_TRUE(peering_->RequestPeer(&context, request, &response).ok());
  }
  void Say(const std::string& text) {
    v1::BroadcastRequest request;
    request.set_text(text);
    v1::BroadcastResponse response;
    grpc::ClientContext context;
    Authorize(context);
    EXPECT_TRUE(broadcasts_->Broadcast(&context, request, &response).ok());
  }
  TestCaller& caller() { return caller_; }
  const crypto::SigningKey& device() const { return device_; }

 private:
  void Authorize(grpc::ClientContext& context) const {
    context.AddMetadata("authorization", caller_.authorization);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  }

  TestCaller caller_;
  const crypto::SigningKey& device_;
  std::unique_ptr<v1::PeeringService::Stub> peering_;
  std::unique_ptr<v1::BroadcastService::Stub> broadcasts_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ClientEvent, v1::ServerEvent>> stream_;
};

class MovedClockTest : public ServerFixture, public ::testing::WithParamInterface<Duration> {
 protected:
  std::unique_ptr<Member> NewMember(const std::string& name) {
    return std::make_unique<Member>(NewCaller(), name, device_);
  }
  const crypto::SigningKey device_ = crypto::SigningKey::Generate();
};

TEST_P(MovedClockTest, NoTimerMovesAndNoSessionRevivesOrDies) {
  options_.timing.request_expiry = kRequestExpiry;
  StartServer();
  const auto alice = NewMember("alice");
  const auto bob = NewMember("bob");
  const auto carol = NewMember("carol");
  alice->Attach();
  bob->Attach();
  TestCaller gone = NewCaller();
  ASSERT_TRUE(gone.Login("carol", kPassword).ok());
  const std::string ended = gone.authorization;
  ASSERT_TRUE(gone.Logout().ok());
  alice->Say("before the clock was set");
  alice->Ask("bob");
  const MonoTime asked = clock_.Mono();
  bob->Await(v1::ServerEvent::kPeerRequest);

  clock_.Shift(GetParam());

  const auto outcome = alice->Await(v1::ServerEvent::kRequestOutcome);
  const Duration took = clock_.Mono() - asked;
  EXPECT_EQ(outcome.request_outcome().state(), v1::EXPIRED);
  EXPECT_GE(took, kRequestExpiry - 500ms);
  EXPECT_LE(took, kRequestExpiry + kSlack);
  // The sweeps that look for ended sessions have run by now; both channels go on.
  bob->Ask("alice");
  EXPECT_EQ(alice->Await(v1::ServerEvent::kPeerRequest).peer_request().from(), "bob");
  // Tokens of before are as good as they were, and as bad.
  EXPECT_TRUE(alice->caller().ListActive().ok());
  EXPECT_EQ(alice->caller().active.clients_size(), 2);
  gone.authorization = ended;
  EXPECT_EQ(gone.ListActive().error_code(), StatusCode::UNAUTHENTICATED);
  const grpc::Status resumed = carol->caller().Resume(
      carol->caller().login.resume_token(), carol->device(), server_->identity().key_digest);
  EXPECT_TRUE(resumed.ok()) << resumed.error_message();
  // A broadcast is kept for its half hour, whatever the wall clock says.
  carol->Attach();
  EXPECT_EQ(carol->Await(v1::ServerEvent::kBroadcast).broadcast().text(),
            "before the clock was set");
}

INSTANTIATE_TEST_SUITE_P(Shifts, MovedClockTest, ::testing::Values(-24h, -1h, 1h, 24h),
                         [](const auto& shift) {
                           const auto hours = shift.param / 1h;
                           return (hours < 0 ? "Back" : "Ahead") +
                                  std::to_string(hours < 0 ? -hours : hours) + "Hours";
                         });

}  // namespace
}  // namespace p2p::server
