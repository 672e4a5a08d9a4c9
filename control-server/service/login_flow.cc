#include "control-server/service/login_flow.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "common/base/check.h"
#include "common/base/secret.h"
#include "common/crypto/password.h"
#include "control-server/service/errors.h"
#include "control-server/service/login_answer.h"
#include "control-server/service/paused_call.h"

namespace p2p::server {
namespace {

grpc::Status WrongPassword() {
  return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "username or password is wrong");
}

// Owned by whatever step is under way.
class Login : public std::enable_shared_from_this<Login> {
 public:
  Login(const AccountContext& context, PausedCall call, const v1::LoginRequest& request,
        v1::LoginResponse* response)
      : context_(context),
        call_(std::move(call)),
        username_(request.username()),
        password_(request.password()),
        response_(response) {
    const ByteView key = AsBytes(request.device_public_key());
    std::copy(key.begin(), key.end(), record_.device_key.begin());
    record_.chat_port = static_cast<uint16_t>(request.chat_endpoint().port());
  }

  ~Login() { End(LoginEnd::kUndecided); }
  Login(const Login&) = delete;
  Login& operator=(const Login&) = delete;

  void FindAccount() {
    context_.store.Read(
        [username = username_](Store& store) { return store.FindAccount(username); },
        [self = shared_from_this()](absl::StatusOr<Account> found) {
          if (!found.ok() && !absl::IsNotFound(found.status())) {
            return self->call_.Finish(StoreFailure(found.status()));
          }
          self->known_ = found.ok();
          if (found.ok()) self->account_ = *std::move(found);
          self->Hash();
        });
  }

 private:
  void Hash() {
    const bool queued = context_.hashes.Submit([self = shared_from_this()](HashPool::Turn turn) {
      if (turn == HashPool::Turn::kTooLate) return self->call_.Finish(BusyHashing());
      self->Verify();
    });
    if (!queued) call_.Finish(BusyHashing());
  }

  void Verify() {
    bool right = false;
    if (known_) {
      right = crypto::VerifyPassword(password_.view(), account_.phc);
    } else {
      crypto::BurnPasswordHash(password_.view());
    }
    password_.Clear();
    End(right ? LoginEnd::kRight : LoginEnd::kWrong);
    if (!right) return call_.Finish(WrongPassword());
    // From here on the caller is known to own the account and may hear about it.
    if (const auto cooldown = context_.penalties.CooldownOf(account_.id)) {
      return call_.Finish(InCooldown(*cooldown, context_.clock.Wall()));
    }
    StoreToken();
  }

  // The first one counts.
  void End(LoginEnd end) {
    if (!std::exchange(ended_, true)) context_.rates.LoginEnded(username_, end);
  }

  void StoreToken() {
    tokens_.emplace(context_.random);
    record_.hash = HashToken(tokens_->access.view());
    record_.account = account_.id;
    record_.issued_at = context_.clock.Wall();
    record_.expires_at = record_.issued_at + std::chrono::duration_cast<std::chrono::milliseconds>(
                                                 context_.timing.access_token);
    context_.store.Submit(
        [record = record_, phc = account_.phc, resume = HashToken(tokens_->resume.view())](
            Store& store) { return Begin(store, record, resume, phc); },
        [self = shared_from_this()](const absl::StatusOr<std::vector<TokenHash>>& dropped) {
          self->Answer(dropped);
        });
  }

  // The sessions that had to make place.
  static absl::StatusOr<std::vector<TokenHash>> Begin(Store& store, const TokenRecord& record,
                                                      TokenHash resume, const std::string& phc) {
    // Disabled, deleted or given another password while this one was being verified.
    P2P_ASSIGN_OR_RETURN(const Account account, store.GetAccount(record.account));
    if (account.phc != phc) return absl::NotFoundError("another password");
    if (account.disabled) return absl::PermissionDeniedError("disabled");
    std::vector<TokenHash> dropped;
    if (record.device_key != std::array<uint8_t, 32>{}) {
      const ResumeFamily family{.session = record.hash,
                                .account = record.account,
                                .device_key = record.device_key,
                                .chat_port = record.chat_port,
                                .started_at = record.issued_at,
                                .renewed_at = record.issued_at};
      P2P_ASSIGN_OR_RETURN(dropped, store.PutResume(family, resume, kMaxTokensPerAccount));
    }
    P2P_ASSIGN_OR_RETURN(const auto more, store.PutToken(record, kMaxTokensPerAccount));
    dropped.insert(dropped.end(), more.begin(), more.end());
    return dropped;
  }

  void Answer(const absl::StatusOr<std::vector<TokenHash>>& dropped) {
    if (absl::IsNotFound(dropped.status())) return call_.Finish(WrongPassword());
    if (absl::IsPermissionDenied(dropped.status())) return call_.Finish(Disabled());
    if (!dropped.ok()) return call_.Finish(StoreFailure(dropped.status()));
    AdmitCaller(context_, account_, record_);
    EndDropped(context_, *dropped);
    context_.connections.MarkAuthenticated(call_.peer());
    FillSession(context_.profile, account_, record_, *tokens_, *response_);
    call_.Finish(grpc::Status::OK);
  }

  const AccountContext& context_;
  PausedCall call_;
  const std::string username_;
  SecretText password_;
  v1::LoginResponse* const response_;
  bool ended_ = false;
  bool known_ = false;
  Account account_;
  TokenRecord record_;
  std::optional<TokenPair> tokens_;
};

}  // namespace

void StartLogin(const AccountContext& context, const net::SocketAddress& peer,
                const v1::LoginRequest& request, v1::LoginResponse* response,
                grpc::ServerUnaryReactor* reactor) {
  std::make_shared<Login>(context, PausedCall(context.connections, peer, reactor), request,
                          response)
      ->FindAccount();
}

}  // namespace p2p::server
