// DirectoryService behind the real front, with a presence that the test writes.
#include <gmock/gmock.h>

#include "absl/strings/str_format.h"
#include "common/base/mutex.h"
#include "common/base/random.h"
#include "control-server/domain/names.h"
#include "control-server/service/directory_service.h"
#include "tests/integration/server_fixture.h"

namespace p2p::server {
namespace {

class WrittenPresence final : public PresenceView {
 public:
  std::shared_ptr<const PresenceSnapshot> Snapshot() const override {
    const MutexLock lock(mu_);
    return snapshot_;
  }
  void Write(std::vector<ActiveUser> users) {
    std::sort(users.begin(), users.end(), [](const ActiveUser& a, const ActiveUser& b) {
      return FoldUsername(a.username) < FoldUsername(b.username);
    });
    auto snapshot = std::make_shared<PresenceSnapshot>();
    snapshot->users = std::move(users);
    const MutexLock lock(mu_);
    snapshot_ = std::move(snapshot);
  }

 private:
  mutable Mutex mu_;
  std::shared_ptr<const PresenceSnapshot> snapshot_ ABSL_GUARDED_BY(mu_) =
      std::make_shared<PresenceSnapshot>();
};

class DirectoryTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { QuietGrpc(); }
  void SetUp() override {
    FrontOptions options;
    options.listen = *net::SocketAddress::Parse("127.0.0.1:0");
    options.certificate =
        *crypto::MakeServerCertificate({"localhost"}, {"127.0.0.1"}, clock_.Wall());
    options.max_connections = 10;
    const std::string root = options.certificate.certificate;
    front_ = *GrpcFront::Create(std::move(options), clock_);
    authenticator_ = std::make_unique<Authenticator>(sessions_, front_->connections());
    service_ = std::make_unique<DirectoryService>(presence_, *authenticator_);
    ASSERT_TRUE(front_->Start({service_.get()}).ok());
    caller_ = std::make_unique<TestCaller>(front_->address(), root);
    const auto token = random_.Array<32>();
    auto session = std::make_shared<Caller>();
    session->token.hash = HashToken(token);
    session->token.expires_at = clock_.Wall() + std::chrono::hours(1);
    sessions_.Add(session);
    caller_->authorization = "Bearer " + Base64UrlEncode(token);
  }
  void TearDown() override { front_->Shutdown(); }

  ActiveUser User(const std::string& name, const char* ip = "10.0.0.7") {
    return {random_.NewId<UserId>(), name, *net::IpAddress::Parse(ip)};
  }

  SystemClock clock_;
  SeededRandom random_{5};
  SessionTable sessions_{clock_};
  WrittenPresence presence_;
  std::unique_ptr<GrpcFront> front_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<DirectoryService> service_;
  std::unique_ptr<TestCaller> caller_;
};

TEST_F(DirectoryTest, ListsNameAndAddressAsTheCallerCanReachThem) {
  presence_.Write({User("bob", "10.0.0.7"), User("Alice", "127.0.0.1"), User("carl", "2001:db8::1"),
                   User("dora", "::1")});
  ASSERT_TRUE(caller_->ListActive().ok());
  std::vector<std::string> seen;
  for (const auto& client : caller_->active.clients()) {
    seen.push_back(client.username() + " " + client.ip_address());
  }
  // The caller is on 127.0.0.1 and reaches the server there.
  EXPECT_THAT(seen, testing::ElementsAre("Alice 127.0.0.1", "bob 10.0.0.7", "carl 2001:db8::1",
                                         "dora 127.0.0.1"));
  EXPECT_EQ(caller_->active.next_page_token(), "");
}

TEST_F(DirectoryTest, PagesHoldEverybodyOnceWhateverComesAndGoesMeanwhile) {
  std::vector<ActiveUser> users;
  for (int i = 0; i < 25; ++i) users.push_back(User(absl::StrFormat("User%02d", i)));
  presence_.Write(users);
  std::vector<std::string> seen;
  std::string token;
  do {
    ASSERT_TRUE(caller_->ListActive(10, token).ok());
    for (const auto& client : caller_->active.clients()) seen.push_back(client.username());
    token = caller_->active.next_page_token();
    if (seen.size() == 10) {
      users.erase(users.begin() + 9);         // The one the next page begins after.
      users.push_back(User("aaa-newcomer"));  // On a page that was given already.
      presence_.Write(users);
    }
  } while (!token.empty());
  ASSERT_EQ(seen.size(), 25u);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 25u);
}

TEST_F(DirectoryTest, APageHolds500ByDefaultAnd1000AtMost) {
  std::vector<ActiveUser> users;
  for (int i = 0; i < 1200; ++i) users.push_back(User(absl::StrFormat("u%04d", i)));
  presence_.Write(users);
  ASSERT_TRUE(caller_->ListActive().ok());
  EXPECT_EQ(caller_->active.clients_size(), 500);
  ASSERT_TRUE(caller_->ListActive(1000).ok());
  EXPECT_EQ(caller_->active.clients_size(), 1000);
  ASSERT_TRUE(caller_->ListActive(1000, caller_->active.next_page_token()).ok());
  EXPECT_EQ(caller_->active.clients_size(), 200);
  EXPECT_EQ(caller_->active.next_page_token(), "");
}

TEST_F(DirectoryTest, NobodyThere) {
  ASSERT_TRUE(caller_->ListActive().ok());
  EXPECT_EQ(caller_->active.clients_size(), 0);
  ASSERT_TRUE(caller_->ListActive(0, "zzz").ok());
  EXPECT_EQ(caller_->active.clients_size(), 0);
}

}  // namespace
}  // namespace p2p::server
