// RequestPeer from the order to its answer: judges the target, punishes, or opens the request.
// Hub thread only.
#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "control-server/service/attach_desk.h"
#include "control-server/service/peering_fields.h"
#include "control-server/service/penalty_desk.h"

namespace p2p::server {

struct RequestPeerOrder {
  CallerPtr caller;
  Viewpoint view;  // Of the connection on which the order came.
  RequestPeerFields fields;
};

struct RequestPeerReply {
  grpc::Status status;
  RequestId id;
  std::string peer;
  WallTime expires_at;
  // The connection is to be shut down once the status is out.
  bool close_connection = false;
};
using RequestPeerDone = absl::AnyInvocable<void(const RequestPeerReply&)>;

class RequestFlow {
 public:
  RequestFlow(asio::io_context& io, const config::Timing& timing, const Clock& clock,
              const SessionTable& sessions, StoreQueue& store, const AttachedClients& clients,
              PresenceBoard& board, RequestDesk& requests, PenaltyDesk& penalties,
              AttachDesk& attachments)
      : io_(io),
        timing_(timing),
        clock_(clock),
        sessions_(sessions),
        store_(store),
        clients_(clients),
        board_(board),
        requests_(requests),
        penalties_(penalties),
        attachments_(attachments) {}

  // `done` is called exactly once, perhaps after the store was asked.
  void Ask(RequestPeerOrder order, RequestPeerDone done);

 private:
  struct Job {
    RequestPeerOrder order;
    RequestPeerDone done;
    uint16_t chat_port = 0;
  };
  using JobPtr = std::shared_ptr<Job>;

  // OK, or why this caller cannot ask anybody at the moment.
  grpc::Status CheckCaller(Job& job) const;
  void LookUp(JobPtr job);
  void OnAccount(Job& job, const absl::StatusOr<Account>& account);
  void Open(Job& job, const ActiveUser& peer);
  void Punish(Job& job, Offence offence);
  static void Answer(Job& job, grpc::Status status);

  asio::io_context& io_;
  const config::Timing timing_;
  const Clock& clock_;
  const SessionTable& sessions_;
  StoreQueue& store_;
  const AttachedClients& clients_;
  PresenceBoard& board_;
  RequestDesk& requests_;
  PenaltyDesk& penalties_;
  AttachDesk& attachments_;
};

}  // namespace p2p::server
