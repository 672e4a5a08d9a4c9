// The steps of a change of password: verify the old one, hash the new one, store it together with
// the end of the account's other sessions, tell their clients, answer.
#pragma once

#include "common/net/address.h"
#include "control-server/service/account_context.h"
#include "grpcpp/grpcpp.h"
#include "p2p/v1/accounts.pb.h"

namespace p2p::server {

// `request` has fields of the right size. Finishes `reactor` exactly once: on a thread of the hash
// pool or of the store, or before it returns when a queue is full. The caller's own session stays.
void StartPasswordChange(const AccountContext& context, const net::SocketAddress& peer,
                         const CallerPtr& caller, const v1::ChangePasswordRequest& request,
                         v1::ChangePasswordResponse* response, grpc::ServerUnaryReactor* reactor);

}  // namespace p2p::server
