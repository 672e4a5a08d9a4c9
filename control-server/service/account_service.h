// AccountService: validates, then hands to the flows. Nothing here blocks.
#pragma once

#include "control-server/service/account_context.h"
#include "control-server/service/authenticator.h"
#include "p2p/v1/accounts.grpc.pb.h"

namespace p2p::server {

class AccountService final : public v1::AccountService::CallbackService {
 public:
  AccountService(const AccountContext& context, const Authenticator& authenticator)
      : context_(context), authenticator_(authenticator) {}

  grpc::ServerUnaryReactor* Hello(grpc::CallbackServerContext* call,
                                  const v1::HelloRequest* request,
                                  v1::HelloResponse* response) override;
  grpc::ServerUnaryReactor* Signup(grpc::CallbackServerContext* call,
                                   const v1::SignupRequest* request,
                                   v1::SignupResponse* response) override;
  grpc::ServerUnaryReactor* Login(grpc::CallbackServerContext* call,
                                  const v1::LoginRequest* request,
                                  v1::LoginResponse* response) override;
  grpc::ServerUnaryReactor* Logout(grpc::CallbackServerContext* call,
                                   const v1::LogoutRequest* request,
                                   v1::LogoutResponse* response) override;
  grpc::ServerUnaryReactor* Resume(grpc::CallbackServerContext* call,
                                   const v1::ResumeRequest* request,
                                   v1::ResumeResponse* response) override;
  grpc::ServerUnaryReactor* ChangePassword(grpc::CallbackServerContext* call,
                                           const v1::ChangePasswordRequest* request,
                                           v1::ChangePasswordResponse* response) override;

  grpc::ServerUnaryReactor* ListMyPenalties(grpc::CallbackServerContext* call,
                                            const v1::ListMyPenaltiesRequest* request,
                                            v1::ListMyPenaltiesResponse* response) override;

 private:
  const AccountContext& context_;
  const Authenticator& authenticator_;
};

}  // namespace p2p::server
