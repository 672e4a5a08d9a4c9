#include "control-server/service/account_service.h"

#include "common/wire/limits.h"
#include "control-server/domain/account_requests.h"
#include "control-server/service/broadcast_report.h"
#include "control-server/service/errors.h"
#include "control-server/service/login_flow.h"
#include "control-server/service/password_flow.h"
#include "control-server/service/resume_flow.h"
#include "control-server/service/signup_flow.h"

namespace p2p::server {

grpc::ServerUnaryReactor* AccountService::Hello(grpc::CallbackServerContext* call,
                                                const v1::HelloRequest* request,
                                                v1::HelloResponse* response) {
  if (const auto full = authenticator_.RefuseIfFull(*call)) return FinishNow(call, *full);
  const absl::Status valid = CheckHello(request->client_version());
  if (!valid.ok()) return FinishNow(call, ToGrpc(valid));
  context_.connections.MarkHello(PeerOf(*call));
  const ServerProfile& profile = context_.profile;
  response->set_server_name(profile.name);
  response->set_greeting(profile.greeting);
  response->set_api_version(wire::kApiVersion);
  response->set_signup_open(profile.signup_open);
  response->add_choices(v1::LOGIN);
  if (profile.signup_open) response->add_choices(v1::SIGNUP);
  return FinishNow(call, grpc::Status::OK);
}

grpc::ServerUnaryReactor* AccountService::Signup(grpc::CallbackServerContext* call,
                                                 const v1::SignupRequest* request,
                                                 v1::SignupResponse* response) {
  if (const auto full = authenticator_.RefuseIfFull(*call)) return FinishNow(call, *full);
  const absl::Status valid =
      CheckSignup(request->username(), request->password(), request->confirm_password());
  if (!valid.ok()) return FinishNow(call, ToGrpc(valid));
  context_.connections.MarkHello(PeerOf(*call));
  if (!context_.profile.signup_open) {
    return FinishNow(call, grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                                        "this server takes no sign-ups; ask its operator"));
  }
  const absl::Status limited = context_.rates.Signup(PeerOf(*call).ip);
  if (!limited.ok()) return FinishNow(call, ToGrpc(limited));
  auto* reactor = call->DefaultReactor();
  StartSignup(context_, PeerOf(*call), *request, response, reactor);
  return reactor;
}

grpc::ServerUnaryReactor* AccountService::Login(grpc::CallbackServerContext* call,
                                                const v1::LoginRequest* request,
                                                v1::LoginResponse* response) {
  if (const auto full = authenticator_.RefuseIfFull(*call)) return FinishNow(call, *full);
  LoginFields fields{.username = request->username(),
                     .password = request->password(),
                     .device_key = AsBytes(request->device_public_key()),
                     .chat_port = std::nullopt};
  if (request->has_chat_endpoint()) fields.chat_port = request->chat_endpoint().port();
  const absl::Status valid = CheckLogin(fields);
  if (!valid.ok()) return FinishNow(call, ToGrpc(valid));
  context_.connections.MarkHello(PeerOf(*call));
  const absl::Status limited = context_.rates.Login(request->username());
  if (!limited.ok()) return FinishNow(call, ToGrpc(limited));
  auto* reactor = call->DefaultReactor();
  StartLogin(context_, PeerOf(*call), *request, response, reactor);
  return reactor;
}

grpc::ServerUnaryReactor* AccountService::Logout(grpc::CallbackServerContext* call,
                                                 const v1::LogoutRequest*, v1::LogoutResponse*) {
  const auto caller = authenticator_.Check(*call);
  if (!caller.ok()) return FinishNow(call, ToGrpc(caller.status()));
  const TokenHash session = (*caller)->session();
  context_.sessions.RemoveSession(session);
  context_.ender.EndSession(session);
  auto* reactor = call->DefaultReactor();
  context_.store.Submit([session](Store& store) { return store.DeleteSession(session); },
                        [this, session, reactor](absl::Status deleted) {
                          // A Resume that was under way has put it back meanwhile.
                          context_.sessions.RemoveSession(session);
                          context_.ender.EndSession(session);
                          reactor->Finish(deleted.ok() ? grpc::Status::OK : StoreFailure(deleted));
                        });
  return reactor;
}

grpc::ServerUnaryReactor* AccountService::Resume(grpc::CallbackServerContext* call,
                                                 const v1::ResumeRequest* request,
                                                 v1::ResumeResponse* response) {
  if (const auto full = authenticator_.RefuseIfFull(*call)) return FinishNow(call, *full);
  ResumeFields fields{.resume_token = request->resume_token(),
                      .client_nonce = AsBytes(request->client_nonce()),
                      .device_signature = AsBytes(request->device_signature()),
                      .chat_port = std::nullopt};
  if (request->has_chat_endpoint()) fields.chat_port = request->chat_endpoint().port();
  const absl::Status valid = CheckResume(fields);
  if (!valid.ok()) return FinishNow(call, ToGrpc(valid));
  context_.connections.MarkHello(PeerOf(*call));
  auto* reactor = call->DefaultReactor();
  StartResume(context_, PeerOf(*call), *request, response, reactor);
  return reactor;
}

grpc::ServerUnaryReactor* AccountService::ChangePassword(grpc::CallbackServerContext* call,
                                                         const v1::ChangePasswordRequest* request,
                                                         v1::ChangePasswordResponse* response) {
  const auto caller = authenticator_.Check(*call);
  if (!caller.ok()) return FinishNow(call, ToGrpc(caller.status()));
  const absl::Status valid = CheckPasswordChange(request->old_password(), request->new_password(),
                                                 request->confirm_password());
  if (!valid.ok()) return FinishNow(call, ToGrpc(valid));
  // Whoever holds a token only guesses as slowly as at a log-in.
  const absl::Status limited = context_.rates.Login((*caller)->username);
  if (!limited.ok()) return FinishNow(call, ToGrpc(limited));
  auto* reactor = call->DefaultReactor();
  StartPasswordChange(context_, PeerOf(*call), *caller, *request, response, reactor);
  return reactor;
}

grpc::ServerUnaryReactor* AccountService::ListMyPenalties(grpc::CallbackServerContext* call,
                                                          const v1::ListMyPenaltiesRequest*,
                                                          v1::ListMyPenaltiesResponse* response) {
  const auto caller = authenticator_.Check(*call);
  if (!caller.ok()) return FinishNow(call, ToGrpc(caller.status()));
  if (const auto penalty = context_.penalties.PenaltyOf((*caller)->user)) {
    auto& out = *response->add_penalties();
    out.set_reason(penalty->reason);
    SetTimestamp(penalty->start, *out.mutable_start());
    SetTimestamp(penalty->end, *out.mutable_end());
    out.set_next_step(penalty->next_step);
    out.set_count(static_cast<uint32_t>(penalty->count));
  }
  return FinishNow(call, grpc::Status::OK);
}

}  // namespace p2p::server
