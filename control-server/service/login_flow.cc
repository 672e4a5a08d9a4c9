#include "control-server/service/login_flow.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/base/secret.h"
#include "common/base/text.h"
#include "common/crypto/password.h"
#include "control-server/service/errors.h"
#include "control-server/service/paused_call.h"

namespace p2p::server {
namespace {

grpc::Status WrongPassword() {
  return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "username or password is wrong");
}

grpc::Status InCooldown(const Cooldown& cooldown) {
  return WithErrorInfo(
      grpc::StatusCode::PERMISSION_DENIED,
      absl::StrCat(cooldown.reason, "; you may log in again at ", FormatRfc3339(cooldown.end)),
      "PENALTY",
      {{"reason", cooldown.reason},
       {"start", FormatRfc3339(cooldown.start)},
       {"end", FormatRfc3339(cooldown.end)},
       {"next_step", cooldown.next_step}});
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
    if (!right) return call_.Finish(WrongPassword());
    // From here on the caller is known to own the account and may hear about it.
    if (const auto cooldown = context_.penalties.CooldownOf(account_.id)) {
      return call_.Finish(InCooldown(*cooldown));
    }
    StoreToken();
  }

  void StoreToken() {
    token_ = Secret<32>(context_.random.Array<32>());
    record_.hash = HashToken(token_.view());
    record_.account = account_.id;
    record_.issued_at = context_.clock.Wall();
    record_.expires_at = record_.issued_at + std::chrono::duration_cast<std::chrono::milliseconds>(
                                                 context_.timing.access_token);
    context_.store.Submit(
        [record = record_,
         phc = account_.phc](Store& store) -> absl::StatusOr<std::vector<TokenHash>> {
          // Disabled, deleted or given another password while this one was being verified.
          const auto account = store.GetAccount(record.account);
          if (!account.ok()) return account.status();
          if (account->phc != phc) return absl::NotFoundError("another password");
          if (account->disabled) return absl::PermissionDeniedError("disabled");
          return store.PutToken(record, kMaxTokensPerAccount);
        },
        [self = shared_from_this()](absl::StatusOr<std::vector<TokenHash>> dropped) {
          self->Answer(dropped);
        });
  }

  void Answer(const absl::StatusOr<std::vector<TokenHash>>& dropped) {
    if (absl::IsNotFound(dropped.status())) return call_.Finish(WrongPassword());
    if (absl::IsPermissionDenied(dropped.status())) {
      return call_.Finish(grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                                       "this account is disabled; ask the server's operator"));
    }
    if (!dropped.ok()) return call_.Finish(StoreFailure(dropped.status()));
    auto caller = std::make_shared<Caller>();
    caller->token = record_;
    caller->user = account_.id;
    caller->username = account_.username;
    caller->admin = account_.admin;
    context_.sessions.Add(std::move(caller));
    for (const TokenHash& old : *dropped) {
      context_.sessions.Remove(old);
      context_.ender.EndSession(old);
    }
    context_.connections.MarkAuthenticated(call_.peer());
    FillResponse();
    call_.Finish(grpc::Status::OK);
  }

  void FillResponse() {
    response_->set_session_token(Base64UrlEncode(token_.view()));
    const int64_t ms = ToMs(record_.expires_at);
    response_->mutable_session_expires_at()->set_seconds(ms / 1000);
    response_->mutable_session_expires_at()->set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
    response_->add_choices(v1::LIST_ACTIVE);
    response_->add_choices(v1::BROADCAST);
    response_->set_user_id(ToString(account_.id.view()));
    response_->set_username(account_.username);
    if (record_.device_key == std::array<uint8_t, 32>{}) return;
    auto* keys = response_->mutable_server_keys();
    keys->set_introducer_public_key(ToString(context_.profile.introducer_key));
    keys->set_broadcast_public_key(ToString(context_.profile.broadcast_key));
  }

  const AccountContext& context_;
  PausedCall call_;
  const std::string username_;
  SecretText password_;
  v1::LoginResponse* const response_;
  bool known_ = false;
  Account account_;
  TokenRecord record_;
  Secret<32> token_;
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
