// AdminService: translates between calls and the operator's operations. Synchronous, for a gRPC
// server of its own that is reached over the admin socket or inside one process, never over TCP:
// whoever can call it may do everything.
#pragma once

#include "common/config/timing.h"
#include "control-server/admin/session_admin.h"
#include "control-server/admin/user_admin.h"
#include "p2p/v1/admin.grpc.pb.h"

namespace p2p::server {

class AdminService final : public v1::AdminService::Service {
 public:
  // All outlive the service; `random` is thread-safe.
  struct Parts {
    StoreAccess& store;
    LiveServer& live;
    const Clock& clock;
    Random& random;
    const config::Timing& timing;
  };
  explicit AdminService(const Parts& parts)
      : parts_(parts),
        users_(parts.store, parts.live, parts.clock, parts.random),
        sessions_(parts.store, parts.live, parts.clock, parts.timing) {}

  grpc::Status AddUser(grpc::ServerContext*, const v1::AddUserRequest*, v1::AdminUser*) override;
  grpc::Status ListUsers(grpc::ServerContext*, const v1::ListUsersRequest*,
                         v1::ListUsersResponse*) override;
  grpc::Status SetPassword(grpc::ServerContext*, const v1::SetPasswordRequest*,
                           v1::AdminUser*) override;
  grpc::Status DisableUser(grpc::ServerContext*, const v1::DisableUserRequest*,
                           v1::AdminUser*) override;
  grpc::Status DeleteUser(grpc::ServerContext*, const v1::DeleteUserRequest*,
                          v1::AdminUser*) override;
  grpc::Status ImportUsers(grpc::ServerContext*, const v1::ImportUsersRequest*,
                           v1::ImportUsersResponse*) override;
  grpc::Status ExportUsers(grpc::ServerContext*, const v1::ExportUsersRequest*,
                           v1::ExportUsersResponse*) override;
  grpc::Status ListSessions(grpc::ServerContext*, const v1::ListSessionsRequest*,
                            v1::ListSessionsResponse*) override;
  grpc::Status KickSessions(grpc::ServerContext*, const v1::KickSessionsRequest*,
                            v1::KickSessionsResponse*) override;
  grpc::Status ListPenalties(grpc::ServerContext*, const v1::ListPenaltiesRequest*,
                             v1::ListPenaltiesResponse*) override;
  grpc::Status LiftPenalty(grpc::ServerContext*, const v1::LiftPenaltyRequest*,
                           v1::LiftPenaltyResponse*) override;
  grpc::Status ListAllBroadcasts(grpc::ServerContext*, const v1::ListBroadcastsRequest*,
                                 v1::ListBroadcastsResponse*) override;
  grpc::Status GetAnyBroadcast(grpc::ServerContext*, const v1::GetBroadcastRequest*,
                               v1::GetBroadcastResponse*) override;
  grpc::Status RevokeAnyBroadcast(grpc::ServerContext*, const v1::RevokeBroadcastRequest*,
                                  v1::RevokeBroadcastResponse*) override;
  grpc::Status GetLimits(grpc::ServerContext*, const v1::GetLimitsRequest*,
                         v1::GetLimitsResponse*) override;

 private:
  const Parts parts_;
  UserAdmin users_;
  SessionAdmin sessions_;
};

}  // namespace p2p::server
