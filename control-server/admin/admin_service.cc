#include "control-server/admin/admin_service.h"

#include <optional>
#include <utility>

#include "common/base/check.h"
#include "control-server/service/broadcast_report.h"
#include "control-server/service/errors.h"

namespace p2p::server {
namespace {

constexpr ReportViewer kOperator{.user = {}, .admin = true};

grpc::Status BadBroadcastId() {
  return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "broadcast_id is not 32 hex digits");
}

// Errors that were made for the operator pass; those of the store get its words.
grpc::Status ToOperator(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
      return ToGrpc(status);
    default:
      return StoreFailure(status);
  }
}

void Fill(const Account& account, v1::AdminUser& out) {
  out.set_username(account.username);
  SetTimestamp(account.created_at, *out.mutable_created_at());
  out.set_disabled(account.disabled);
  out.set_admin(account.admin);
}

grpc::Status Answer(const absl::StatusOr<Account>& account, v1::AdminUser& out) {
  if (account.ok()) Fill(*account, out);
  return ToOperator(account.status());
}

}  // namespace

grpc::Status AdminService::AddUser(grpc::ServerContext*, const v1::AddUserRequest* request,
                                   v1::AdminUser* response) {
  return Answer(users_.Add(request->username(), request->password(), request->admin()), *response);
}

grpc::Status AdminService::ListUsers(grpc::ServerContext*, const v1::ListUsersRequest*,
                                     v1::ListUsersResponse* response) {
  const auto accounts = users_.List();
  if (!accounts.ok()) return ToOperator(accounts.status());
  for (const Account& account : *accounts) Fill(account, *response->add_users());
  return grpc::Status::OK;
}

grpc::Status AdminService::SetPassword(grpc::ServerContext*, const v1::SetPasswordRequest* request,
                                       v1::AdminUser* response) {
  return Answer(users_.SetPassword(request->username(), request->password()), *response);
}

grpc::Status AdminService::DisableUser(grpc::ServerContext*, const v1::DisableUserRequest* request,
                                       v1::AdminUser* response) {
  return Answer(users_.SetDisabled(request->username(), request->disabled()), *response);
}

grpc::Status AdminService::DeleteUser(grpc::ServerContext*, const v1::DeleteUserRequest* request,
                                      v1::AdminUser* response) {
  return Answer(users_.Delete(request->username()), *response);
}

grpc::Status AdminService::ImportUsers(grpc::ServerContext* context,
                                       const v1::ImportUsersRequest* request,
                                       v1::ImportUsersResponse* response) {
  // A long import must not hold up the end of the server.
  const auto counts = users_.Import(request->csv(), [context] { return context->IsCancelled(); });
  if (!counts.ok()) return ToOperator(counts.status());
  response->set_created(static_cast<uint32_t>(counts->created));
  response->set_unchanged(static_cast<uint32_t>(counts->unchanged));
  return grpc::Status::OK;
}

grpc::Status AdminService::ExportUsers(grpc::ServerContext*, const v1::ExportUsersRequest*,
                                       v1::ExportUsersResponse* response) {
  auto csv = users_.Export();
  if (!csv.ok()) return ToOperator(csv.status());
  response->set_csv(*std::move(csv));
  return grpc::Status::OK;
}

grpc::Status AdminService::ListSessions(grpc::ServerContext*, const v1::ListSessionsRequest*,
                                        v1::ListSessionsResponse* response) {
  const auto sessions = sessions_.ListSessions();
  if (!sessions.ok()) return ToOperator(sessions.status());
  for (const SessionEntry& session : *sessions) {
    auto& out = *response->add_sessions();
    out.set_username(session.username);
    out.set_ip_address(session.ip_address);
    SetTimestamp(session.logged_in_at, *out.mutable_logged_in_at());
    out.set_attached(session.attached);
  }
  return grpc::Status::OK;
}

grpc::Status AdminService::KickSessions(grpc::ServerContext*,
                                        const v1::KickSessionsRequest* request,
                                        v1::KickSessionsResponse* response) {
  const auto ended = users_.Kick(request->username());
  if (!ended.ok()) return ToOperator(ended.status());
  response->set_ended(static_cast<uint32_t>(*ended));
  return grpc::Status::OK;
}

grpc::Status AdminService::ListPenalties(grpc::ServerContext*, const v1::ListPenaltiesRequest*,
                                         v1::ListPenaltiesResponse* response) {
  const auto penalties = sessions_.ListPenalties();
  if (!penalties.ok()) return ToOperator(penalties.status());
  for (const PenaltyEntry& penalty : *penalties) {
    auto& out = *response->add_penalties();
    out.set_username(penalty.username);
    out.set_reason(penalty.reason);
    SetTimestamp(penalty.start, *out.mutable_start());
    SetTimestamp(penalty.end, *out.mutable_end());
    out.set_count(static_cast<uint32_t>(penalty.count));
    out.set_next_step(penalty.next_step);
  }
  return grpc::Status::OK;
}

grpc::Status AdminService::LiftPenalty(grpc::ServerContext*, const v1::LiftPenaltyRequest* request,
                                       v1::LiftPenaltyResponse*) {
  return ToOperator(sessions_.LiftPenalty(request->username()));
}

grpc::Status AdminService::ListAllBroadcasts(grpc::ServerContext*, const v1::ListBroadcastsRequest*,
                                             v1::ListBroadcastsResponse* response) {
  parts_.live.FlushDeliveries();
  const WallTime since = parts_.clock.Wall() - std::chrono::duration_cast<WallTime::duration>(
                                                   parts_.timing.ledger_detail);
  return ToOperator(parts_.store.Read([&](Store& store) -> absl::Status {
    P2P_ASSIGN_OR_RETURN(*response, ReportBroadcasts(store, kOperator, since));
    return absl::OkStatus();
  }));
}

grpc::Status AdminService::GetAnyBroadcast(grpc::ServerContext*,
                                           const v1::GetBroadcastRequest* request,
                                           v1::GetBroadcastResponse* response) {
  const auto id = BroadcastId::FromHex(request->broadcast_id());
  if (!id) return BadBroadcastId();
  parts_.live.FlushDeliveries();
  return ToOperator(parts_.store.Read([&](Store& store) -> absl::Status {
    P2P_ASSIGN_OR_RETURN(*response, ReportBroadcast(store, *id, kOperator, parts_.clock.Wall()));
    return absl::OkStatus();
  }));
}

grpc::Status AdminService::RevokeAnyBroadcast(grpc::ServerContext*,
                                              const v1::RevokeBroadcastRequest* request,
                                              v1::RevokeBroadcastResponse* response) {
  const auto id = BroadcastId::FromHex(request->broadcast_id());
  if (!id) return BadBroadcastId();
  parts_.live.FlushDeliveries();
  const absl::Status revoked = parts_.store.Change([&](Store& store) -> absl::Status {
    P2P_ASSIGN_OR_RETURN(v1::GetBroadcastResponse report,
                         RevokeAndReport(store, *id, kOperator, parts_.clock.Wall()));
    response->mutable_broadcast()->Swap(report.mutable_broadcast());
    return absl::OkStatus();
  });
  if (revoked.ok()) parts_.live.WithdrawBroadcast(*id);
  return ToOperator(revoked);
}

grpc::Status AdminService::GetLimits(grpc::ServerContext*, const v1::GetLimitsRequest*,
                                     v1::GetLimitsResponse* response) {
  const auto limits = parts_.live.Limits();
  if (!limits) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "no server is running");
  }
  response->set_max_connections(limits->max_connections);
  response->set_connections(limits->connections);
  response->set_descriptor_limit(limits->descriptor_limit);
  return grpc::Status::OK;
}

}  // namespace p2p::server
