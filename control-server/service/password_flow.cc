#include "control-server/service/password_flow.h"

#include <memory>
#include <string>
#include <utility>

#include "common/base/check.h"
#include "common/base/secret.h"
#include "common/crypto/password.h"
#include "control-server/service/errors.h"
#include "control-server/service/paused_call.h"

namespace p2p::server {
namespace {

grpc::Status WrongOldPassword() {
  return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "old_password is wrong");
}

// Owned by whatever step is under way.
class PasswordChange : public std::enable_shared_from_this<PasswordChange> {
 public:
  PasswordChange(const AccountContext& context, PausedCall call, CallerPtr caller,
                 const v1::ChangePasswordRequest& request, v1::ChangePasswordResponse* response)
      : context_(context),
        call_(std::move(call)),
        caller_(std::move(caller)),
        old_(request.old_password()),
        new_(request.new_password()),
        response_(response) {}

  ~PasswordChange() { End(LoginEnd::kUndecided); }
  PasswordChange(const PasswordChange&) = delete;
  PasswordChange& operator=(const PasswordChange&) = delete;

  void FindAccount() {
    context_.store.Read([user = caller_->user](Store& store) { return store.GetAccount(user); },
                        [self = shared_from_this()](const absl::StatusOr<Account>& found) {
                          if (!found.ok()) return self->call_.Finish(StoreFailure(found.status()));
                          self->phc_ = found->phc;
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
    const bool right = crypto::VerifyPassword(old_.view(), phc_);
    old_.Clear();
    End(right ? LoginEnd::kRight : LoginEnd::kWrong);
    if (!right) {
      new_.Clear();
      return call_.Finish(WrongOldPassword());
    }
    std::string phc = crypto::HashPassword(new_.view(), context_.random);
    new_.Clear();
    context_.store.Submit(
        [self = shared_from_this(), phc = std::move(phc)](Store& store) {
          return self->Change(store, phc);
        },
        [self = shared_from_this()](const absl::Status& changed) { self->Answer(changed); });
  }

  // The first one counts.
  void End(LoginEnd end) {
    if (!std::exchange(ended_, true)) context_.rates.LoginEnded(caller_->username, end);
  }

  // One transaction: whoever has the new password has no session of before beside him.
  absl::Status Change(Store& store, const std::string& phc) {
    P2P_ASSIGN_OR_RETURN(Account account, store.GetAccount(caller_->user));
    // The operator, or another session, was faster.
    if (account.phc != phc_) return absl::PermissionDeniedError("changed meanwhile");
    account.phc = phc;
    P2P_RETURN_IF_ERROR(store.UpdateAccount(account));
    return store.DeleteOtherSessions(account.id, caller_->session());
  }

  void Answer(const absl::Status& changed) {
    if (absl::IsPermissionDenied(changed)) return call_.Finish(WrongOldPassword());
    if (!changed.ok()) return call_.Finish(StoreFailure(changed));
    const auto ended = context_.sessions.RemoveOthers(caller_->user, caller_->session());
    for (const TokenHash& session : ended) context_.ender.RevokeSession(session);
    response_->set_message("The password is changed. Other sessions of this account have ended.");
    call_.Finish(grpc::Status::OK);
  }

  const AccountContext& context_;
  PausedCall call_;
  const CallerPtr caller_;
  SecretText old_;
  SecretText new_;
  v1::ChangePasswordResponse* const response_;
  std::string phc_;
  bool ended_ = false;
};

}  // namespace

void StartPasswordChange(const AccountContext& context, const net::SocketAddress& peer,
                         const CallerPtr& caller, const v1::ChangePasswordRequest& request,
                         v1::ChangePasswordResponse* response, grpc::ServerUnaryReactor* reactor) {
  std::make_shared<PasswordChange>(context, PausedCall(context.connections, peer, reactor), caller,
                                   request, response)
      ->FindAccount();
}

}  // namespace p2p::server
