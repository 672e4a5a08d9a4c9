#include "control-server/service/resume_flow.h"

#include <algorithm>
#include <memory>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/wire/resume_statement.h"
#include "control-server/domain/resume.h"
#include "control-server/service/errors.h"
#include "control-server/service/login_answer.h"
#include "control-server/service/paused_call.h"

namespace p2p::server {
namespace {

grpc::Status Refused() {
  return grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                      "the session cannot be renewed: please log in");
}

std::array<uint8_t, 16> NonceOf(const v1::ResumeRequest& request) {
  return ByteReader(AsBytes(request.client_nonce())).Array<16>();
}

// What the transaction came to.
struct Renewal {
  ResumeVerdict verdict = ResumeVerdict::kRefused;
  TokenHash session;
  Account account;
  TokenRecord token;
  std::vector<TokenHash> dropped;  // Sessions that made place.
};

// Owned by whatever step is under way.
class Resume : public std::enable_shared_from_this<Resume> {
 public:
  Resume(const AccountContext& context, PausedCall call, const v1::ResumeRequest& request,
         v1::ResumeResponse* response)
      : context_(context),
        call_(std::move(call)),
        nonce_(NonceOf(request)),
        signature_(ToBytes(AsBytes(request.device_signature()))),
        response_(response),
        pair_(context.random) {
    if (request.has_chat_endpoint()) {
      chat_port_ = static_cast<uint16_t>(request.chat_endpoint().port());
    }
  }

  void Find(const std::string& resume_token) {
    auto token = Base64UrlDecode(resume_token);
    if (!token || token->size() != TokenHash::kSize) return call_.Finish(Refused());
    presented_ = HashToken(*token);
    Wipe(token->data(), token->size());
    context_.store.Read([id = presented_](Store& store) { return store.FindResume(id); },
                        [self = shared_from_this()](absl::StatusOr<PresentedResume> found) {
                          self->OnFound(found);
                        });
  }

 private:
  void OnFound(const absl::StatusOr<PresentedResume>& found) {
    if (absl::IsNotFound(found.status())) return call_.Finish(Refused());
    if (!found.ok()) return call_.Finish(StoreFailure(found.status()));
    const Bytes statement =
        wire::ResumeStatement(context_.profile.key_digest, presented_.bytes, nonce_);
    if (!crypto::VerifySignature(found->family.device_key, statement, signature_)) {
      return call_.Finish(Refused());
    }
    // From here on the caller is known to be the session's device and may hear about it.
    if (const auto cooldown = context_.penalties.CooldownOf(found->family.account)) {
      return call_.Finish(InCooldown(*cooldown, context_.clock.Wall()));
    }
    context_.store.Submit(
        [self = shared_from_this()](Store& store) { return self->Renew(store); },
        [self = shared_from_this()](const absl::StatusOr<Renewal>& done) { self->Answer(done); });
  }

  // One transaction, from a fresh look at the token to the new tokens.
  absl::StatusOr<Renewal> Renew(Store& store) {
    const WallTime now = context_.clock.Wall();
    Renewal out;
    P2P_ASSIGN_OR_RETURN(const PresentedResume presented, store.FindResume(presented_));
    out.session = presented.family.session;
    out.verdict = DecideResume(presented, true, now);
    switch (out.verdict) {
      case ResumeVerdict::kRefused:
        return out;
      case ResumeVerdict::kRevoke:
      case ResumeVerdict::kExpired:
        P2P_RETURN_IF_ERROR(store.DeleteSession(out.session));
        return out;
      case ResumeVerdict::kRotate:
      case ResumeVerdict::kReissue:
        break;
    }
    P2P_ASSIGN_OR_RETURN(out.account, store.GetAccount(presented.family.account));
    if (out.account.disabled) return absl::PermissionDeniedError("disabled");
    ResumeFamily family = Renewed(presented, now);
    if (chat_port_) family.chat_port = *chat_port_;
    out.token = {.hash = HashToken(pair_.access.view()),
                 .account = family.account,
                 .device_key = family.device_key,
                 .chat_port = family.chat_port,
                 .issued_at = now,
                 .expires_at = AccessTokenEnd(family, context_.timing.access_token, now),
                 .session = family.session,
                 .generation = family.generation};
    P2P_RETURN_IF_ERROR(
        store.PutResume(family, HashToken(pair_.resume.view()), kMaxTokensPerAccount).status());
    // Resumed with: its predecessor is spent, whether or not the access token was ever presented.
    P2P_RETURN_IF_ERROR(store.UseSession(family.session, presented.generation));
    P2P_ASSIGN_OR_RETURN(out.dropped, store.PutToken(out.token, kMaxTokensPerAccount));
    return out;
  }

  void Answer(const absl::StatusOr<Renewal>& done) {
    if (absl::IsNotFound(done.status())) return call_.Finish(Refused());
    if (absl::IsPermissionDenied(done.status())) return call_.Finish(Disabled());
    if (!done.ok()) return call_.Finish(StoreFailure(done.status()));
    switch (done->verdict) {
      case ResumeVerdict::kRevoke:
        LogWarning("session_revoked", {{"reason", "a resume token was used twice"},
                                       {"peer", call_.peer().ip.ToString()}});
        [[fallthrough]];
      case ResumeVerdict::kExpired:
        context_.sessions.RemoveSession(done->session);
        context_.ender.RevokeSession(done->session);
        return call_.Finish(Refused());
      case ResumeVerdict::kRefused:
        return call_.Finish(Refused());
      case ResumeVerdict::kRotate:
      case ResumeVerdict::kReissue:
        break;
    }
    context_.sessions.RemoveFrom(done->session, done->token.generation);
    context_.sessions.RemoveBelow(done->session, done->token.generation - 1);
    AdmitCaller(context_, done->account, done->token);
    EndDropped(context_, done->dropped);
    context_.connections.MarkAuthenticated(call_.peer());
    FillSession(context_.profile, done->account, done->token, pair_, *response_->mutable_session());
    call_.Finish(grpc::Status::OK);
  }

  const AccountContext& context_;
  PausedCall call_;
  const std::array<uint8_t, 16> nonce_;
  const Bytes signature_;
  std::optional<uint16_t> chat_port_;
  v1::ResumeResponse* const response_;
  const TokenPair pair_;
  TokenHash presented_;
};

}  // namespace

void StartResume(const AccountContext& context, const net::SocketAddress& peer,
                 const v1::ResumeRequest& request, v1::ResumeResponse* response,
                 grpc::ServerUnaryReactor* reactor) {
  std::make_shared<Resume>(context, PausedCall(context.connections, peer, reactor), request,
                           response)
      ->Find(request.resume_token());
}

}  // namespace p2p::server
