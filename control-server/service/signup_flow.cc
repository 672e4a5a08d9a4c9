#include "control-server/service/signup_flow.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "common/base/secret.h"
#include "common/crypto/password.h"
#include "control-server/domain/names.h"
#include "control-server/service/errors.h"
#include "control-server/service/paused_call.h"
#include "control-server/store/lookalikes.h"

namespace p2p::server {
namespace {

// Owned by whatever step is under way.
class Signup : public std::enable_shared_from_this<Signup> {
 public:
  Signup(const AccountContext& context, PausedCall call, const v1::SignupRequest& request,
         v1::SignupResponse* response)
      : context_(context),
        call_(std::move(call)),
        username_(request.username()),
        password_(request.password()),
        response_(response) {}

  // A name that is taken costs no hash. Who creates it meanwhile is found out by CreateAccount.
  void LookForName() {
    context_.store.Read(
        [username = username_,
         anyway = context_.profile.allow_lookalikes](Store& store) -> absl::StatusOr<Account> {
          auto found = store.FindAccount(username);
          if (anyway || !absl::IsNotFound(found.status())) return found;
          return store.FindLookalike(NameSkeleton(username));
        },
        [self = shared_from_this()](absl::StatusOr<Account> found) {
          if (found.ok()) return self->NameIsTaken(found->username);
          if (!absl::IsNotFound(found.status())) {
            return self->call_.Finish(StoreFailure(found.status()));
          }
          self->Hash();
        });
  }

 private:
  void Hash() {
    const bool queued = context_.hashes.Submit([self = shared_from_this()](HashPool::Turn turn) {
      if (turn == HashPool::Turn::kTooLate) return self->call_.Finish(BusyHashing());
      self->Create(crypto::HashPassword(self->password_.view(), self->context_.random));
    });
    if (!queued) call_.Finish(BusyHashing());
  }

  void Create(std::string phc) {
    password_.Clear();
    Account account;
    account.id = context_.random.NewId<UserId>();
    account.username = username_;
    account.phc = std::move(phc);
    account.created_at = context_.clock.Wall();
    if (!context_.profile.allow_lookalikes) account.skeleton = NameSkeleton(username_);
    context_.store.Submit(
        [account = std::move(account)](Store& store) {
          return account.skeleton.empty() ? CreateAccountAnyway(store, account)
                                          : store.CreateAccount(account);
        },
        [self = shared_from_this()](absl::Status created) { self->Answer(created); });
  }

  void Answer(const absl::Status& created) {
    if (absl::IsAlreadyExists(created)) return NameIsTaken(username_);
    if (!created.ok()) return call_.Finish(StoreFailure(created));
    response_->set_message(
        absl::StrCat("Welcome, ", username_, ". Now log in with your username and password."));
    call_.Finish(grpc::Status::OK);
  }

  // `by`: the name that stands in the way.
  void NameIsTaken(const std::string& by) {
    const bool same = FoldUsername(by) == FoldUsername(username_);
    call_.Finish(
        grpc::Status(grpc::StatusCode::ALREADY_EXISTS,
                     same ? "username is taken, please choose another one"
                          : "username looks like one that is taken, please choose another one"));
  }

  const AccountContext& context_;
  PausedCall call_;
  const std::string username_;
  SecretText password_;
  v1::SignupResponse* const response_;
};

}  // namespace

void StartSignup(const AccountContext& context, const net::SocketAddress& peer,
                 const v1::SignupRequest& request, v1::SignupResponse* response,
                 grpc::ServerUnaryReactor* reactor) {
  std::make_shared<Signup>(context, PausedCall(context.connections, peer, reactor), request,
                           response)
      ->LookForName();
}

}  // namespace p2p::server
