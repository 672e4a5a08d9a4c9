#include "control-server/service/broadcast_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/wire/limits.h"
#include "control-server/service/broadcast_report.h"
#include "control-server/service/errors.h"

namespace p2p::server {
namespace {

grpc::Status Invalid(const std::string& message) {
  return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, message);
}

grpc::Status CheckRequest(const v1::BroadcastRequest& request) {
  if (request.text().empty()) return Invalid("text is required");
  if (request.text().size() > wire::kMaxBroadcastText) {
    return Invalid(absl::StrCat("text is longer than ", wire::kMaxBroadcastText, " bytes"));
  }
  if (request.idempotency_key().size() > wire::kMaxIdempotencyKey) {
    return Invalid(
        absl::StrCat("idempotency_key is longer than ", wire::kMaxIdempotencyKey, " bytes"));
  }
  if (request.ttl_seconds() > wire::kMaxBroadcastTtlSeconds) {
    return Invalid(absl::StrCat("ttl_seconds is greater than ", wire::kMaxBroadcastTtlSeconds));
  }
  return grpc::Status::OK;
}

// The id in hex, or why it is none.
std::optional<BroadcastId> ParseId(const std::string& text, grpc::Status& error) {
  if (text.empty()) {
    error = Invalid("broadcast_id is required");
    return std::nullopt;
  }
  const auto id = BroadcastId::FromHex(text);
  if (!id) error = Invalid("broadcast_id is not 32 hex digits");
  return id;
}

grpc::Status ReadFailure(const absl::Status& status) {
  return absl::IsNotFound(status) ? ToGrpc(status) : StoreFailure(status);
}

template <class Response>
void FinishWith(absl::StatusOr<Response> result, Response* response,
                grpc::ServerUnaryReactor* reactor) {
  if (!result.ok()) return reactor->Finish(ReadFailure(result.status()));
  *response = *std::move(result);
  reactor->Finish(grpc::Status::OK);
}

}  // namespace

grpc::ServerUnaryReactor* BroadcastService::Broadcast(grpc::CallbackServerContext* context,
                                                      const v1::BroadcastRequest* request,
                                                      v1::BroadcastResponse* response) {
  const auto caller = authenticator_.Check(*context);
  if (!caller.ok()) return FinishNow(context, ToGrpc(caller.status()));
  if (const grpc::Status valid = CheckRequest(*request); !valid.ok()) {
    return FinishNow(context, valid);
  }
  // Twice: a client that was over its rate has sent it before.
  authenticator_.connections().Credit(PeerOf(*context), 2 * request->text().size());
  Announcement announcement;
  announcement.sender = (*caller)->user;
  announcement.sender_name = (*caller)->username;
  announcement.text = request->text();
  announcement.idempotency_key = request->idempotency_key();
  announcement.omit_sender = request->omit_sender();
  announcement.ttl = request->ttl_seconds() == 0 ? timing_.retention
                                                 : std::chrono::seconds(request->ttl_seconds());
  // Whatever the configuration says, the signed object holds 1 ms to 30 min.
  constexpr Duration kLongest = std::chrono::seconds(wire::kMaxBroadcastTtlSeconds);
  announcement.ttl =
      std::clamp<Duration>(std::min(announcement.ttl, timing_.retention), 1ms, kLongest);
  auto* reactor = context->DefaultReactor();
  desk_.Publish(std::move(announcement),
                [response, reactor](const grpc::Status& status, const Published& published) {
                  if (status.ok()) {
                    response->set_broadcast_id(published.id.Hex());
                    SetTimestamp(published.sent_at, *response->mutable_sent_at());
                    SetTimestamp(published.expires_at, *response->mutable_expires_at());
                  }
                  reactor->Finish(status);
                });
  return reactor;
}

grpc::ServerUnaryReactor* BroadcastService::GetBroadcast(grpc::CallbackServerContext* context,
                                                         const v1::GetBroadcastRequest* request,
                                                         v1::GetBroadcastResponse* response) {
  const auto caller = authenticator_.Check(*context);
  if (!caller.ok()) return FinishNow(context, ToGrpc(caller.status()));
  grpc::Status error;
  const auto id = ParseId(request->broadcast_id(), error);
  if (!id) return FinishNow(context, error);
  const ReportViewer viewer{(*caller)->user, (*caller)->admin};
  auto* reactor = context->DefaultReactor();
  desk_.Flush([this, id = *id, viewer, now = clock_.Wall(), response, reactor] {
    store_.Read([=](Store& store) { return ReportBroadcast(store, id, viewer, now); },
                [=](absl::StatusOr<v1::GetBroadcastResponse> result) {
                  FinishWith(std::move(result), response, reactor);
                });
  });
  return reactor;
}

grpc::ServerUnaryReactor* BroadcastService::ListBroadcasts(grpc::CallbackServerContext* context,
                                                           const v1::ListBroadcastsRequest*,
                                                           v1::ListBroadcastsResponse* response) {
  const auto caller = authenticator_.Check(*context);
  if (!caller.ok()) return FinishNow(context, ToGrpc(caller.status()));
  const ReportViewer viewer{(*caller)->user, (*caller)->admin};
  const WallTime since =
      clock_.Wall() - std::chrono::duration_cast<WallTime::duration>(timing_.ledger_detail);
  auto* reactor = context->DefaultReactor();
  desk_.Flush([this, viewer, since, response, reactor] {
    store_.Read([=](Store& store) { return ReportBroadcasts(store, viewer, since); },
                [=](absl::StatusOr<v1::ListBroadcastsResponse> result) {
                  FinishWith(std::move(result), response, reactor);
                });
  });
  return reactor;
}

grpc::ServerUnaryReactor* BroadcastService::RevokeBroadcast(
    grpc::CallbackServerContext* context, const v1::RevokeBroadcastRequest* request,
    v1::RevokeBroadcastResponse* response) {
  const auto caller = authenticator_.Check(*context);
  if (!caller.ok()) return FinishNow(context, ToGrpc(caller.status()));
  grpc::Status error;
  const auto id = ParseId(request->broadcast_id(), error);
  if (!id) return FinishNow(context, error);
  const ReportViewer viewer{(*caller)->user, (*caller)->admin};
  auto* reactor = context->DefaultReactor();
  desk_.Revoke(*id, viewer, clock_.Wall(),
               [response, reactor](absl::StatusOr<v1::GetBroadcastResponse> report) {
                 if (report.ok()) response->mutable_broadcast()->Swap(report->mutable_broadcast());
                 if (report.ok()) return reactor->Finish(grpc::Status::OK);
                 reactor->Finish(ReadFailure(report.status()));
               });
  return reactor;
}

}  // namespace p2p::server
